// json-file lines back to entries. Fed with blocks of any size; a broken line is skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/runtime/multiplexed_frame.h"

namespace engine::runtime {

struct LogEntry {
    LogStream stream = LogStream::stdout_;
    std::string_view time;  // as written in the file
    std::string_view log;   // with its newline when it had one; valid until the callback returns

    // Since 1970; 0 when `time` is none. Not parsed before it is asked for.
    std::int64_t time_ns() const;
};

class JsonLogDecoder {
public:
    // Calls sink(const LogEntry&) for each whole line; what is left waits for more.
    template <class Sink>
    void feed(std::string_view block, Sink&& sink) {
        std::string_view line;
        LogEntry entry;
        while (next_line(block, line))
            if (parse(line, entry)) sink(static_cast<const LogEntry&>(entry));
    }
    // Broken lines skipped so far.
    std::uint64_t skipped() const { return skipped_; }

private:
    bool next_line(std::string_view& block, std::string_view& line);
    bool parse(std::string_view line, LogEntry& entry);
    bool parse_own(std::string_view line, LogEntry& entry);

    std::string partial_;
    std::string text_;
    std::uint64_t skipped_ = 0;
    bool partial_used_ = false;
    bool oversized_ = false;
};

// RFC3339 with up to nine digits of fraction, "Z" or an offset; false when it is not that.
bool parse_rfc3339(std::string_view text, std::int64_t& ns);

// Where the last `lines` lines of `block` begin, the block being the end of the file; found tells how many there are.
// A caller that finds too few reads the block before and asks again for the difference.
std::size_t tail_start(std::string_view block, std::uint64_t lines, std::uint64_t& found);

}  // namespace engine::runtime
