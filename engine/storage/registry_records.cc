#include "engine/storage/registry_records.h"

#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "engine/reactor/json_writer.h"
#include "engine/storage/registry_job.h"
#include "engine/storage/tar_split.h"

namespace engine::storage {
namespace {

constexpr int64_t progress_every_ns = 100'000'000;

int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

// Nobody to hear it: nothing left to do.
void tell(const std::string& record) {
    ArchiveFdSink sink(registry_answer_fd);
    if (!sink.write(record + "\n")) ::_exit(3);
}

void tell_progress(int64_t current) {
    json::Writer w;
    w.begin_object().field("current", current).end_object();
    tell(w.take());
}

void tell_retry(long seconds) {
    json::Writer w;
    w.begin_object().field("retry", static_cast<int64_t>(seconds)).end_object();
    tell(w.take());
}

void pause_before_retry(int attempt) {
    const long quarters = 1L << attempt;
    tell_retry((quarters + 3) / 4);
    timespec pause{quarters / 4, quarters % 4 * 250'000'000};
    while (::nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

void ProgressTeller::now_at(int64_t current) {
    const int64_t now = now_ns();
    if (now - told_at_ns_ <= progress_every_ns) return;
    told_at_ns_ = now;
    tell_progress(current);
}

}  // namespace engine::storage
