// Lines of output as json-file has them: {"log":"...\n","stream":"stdout","time":"..."}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/runtime/log_format.h"

namespace engine::runtime {

class JsonLogEncoder final : public LogEncoder {
public:
    // `attributes`: a JSON object for every record, or "".
    explicit JsonLogEncoder(std::string attributes = {}) : attributes_(std::move(attributes)) {}
    void line(LogStream stream, std::string_view text, bool newline, std::int64_t time_ns, std::string& out) override;

private:
    void set_tails(std::int64_t time_ns);

    std::string attributes_;
    std::string tail_[2];   // what follows the text, for the time of the last line
    std::int64_t tail_time_ = -1;
};

}  // namespace engine::runtime
