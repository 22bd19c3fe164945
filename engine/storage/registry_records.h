// What a registry process tells on its way: records on registry_answer_fd, a line each. A reader that is gone ends it.
#pragma once

#include <cstdint>
#include <string>

namespace engine::storage {

// Bytes so far; more often than ten times a second nothing is told.
class ProgressTeller {
public:
    void now_at(int64_t current);

private:
    int64_t told_at_ns_ = 0;
};

void tell(const std::string& record);
void tell_progress(int64_t current);
void tell_retry(long seconds);
// Tells, and waits: a quarter of a second before the second attempt, twice as long before each further one.
void pause_before_retry(int attempt);

}  // namespace engine::storage
