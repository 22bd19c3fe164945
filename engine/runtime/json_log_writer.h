// Container output to json-file lines: {"log":"...\n","stream":"stdout","time":"..."}. One encoder per container.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/runtime/multiplexed_frame.h"

namespace engine::runtime {

class JsonLogEncoder {
public:
    // Appends the complete lines of `bytes` to `out`; the rest waits for the next call. All lines get one time.
    void append(LogStream stream, std::string_view bytes, std::int64_t now_ns, std::string& out);
    // End of the stream: what waits becomes a line without a newline.
    void finish(LogStream stream, std::int64_t now_ns, std::string& out);

private:
    void set_tails(std::int64_t now_ns);

    std::string partial_[2];
    std::string tail_[2];
    std::int64_t tail_time_ = -1;
};

}  // namespace engine::runtime
