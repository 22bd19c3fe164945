// How lines look in a log file: what one log driver writes and reads where another does otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/runtime/log_options.h"
#include "engine/runtime/multiplexed_frame.h"

namespace engine::runtime {

// One line of output, or a piece of one that is too long. The views are valid until the decoder is asked again.
struct LogEntry {
    LogStream stream = LogStream::stdout_;
    bool newline = false;             // the text ended with one; it is not part of `text`
    std::string_view text;
    std::string_view attributes;      // a JSON object, or ""
    std::string_view written_time;    // as text where the file has text
    mutable std::int64_t known_time = 0;

    // Nanoseconds since 1970; parsed when asked for.
    std::int64_t time_ns() const;
};

class LogEncoder {
public:
    virtual ~LogEncoder() = default;
    // `text` is without its newline.
    virtual void line(LogStream stream, std::string_view text, bool newline, std::int64_t time_ns,
                      std::string& out) = 0;
    // Before `out` is written.
    virtual void end_batch(std::string&) {}
};

class LogDecoder {
public:
    virtual ~LogDecoder() = default;
    // The next whole entry; false when `block` is used up. What is left of a record waits for the next block, so feed
    // blocks in order. Broken records are passed over and counted.
    virtual bool next(std::string_view& block, LogEntry& entry) = 0;
    // A file ends here: a record that is not complete is broken.
    virtual void end_of_file() = 0;
    std::uint64_t skipped() const { return skipped_; }

protected:
    std::uint64_t skipped_ = 0;
};

class LogFormat {
public:
    virtual ~LogFormat() = default;
    virtual std::unique_ptr<LogEncoder> encoder(std::string attributes) const = 0;
    virtual std::unique_ptr<LogDecoder> decoder() const = 0;
    // Records end with a newline and hold no other: they can be counted backwards.
    virtual bool is_lines() const = 0;
    // Below the container's directory.
    virtual std::string file_name(std::string_view container_id) const = 0;
    // Removes a record cut short from the end of a file that is open for reading and writing.
    virtual Result<void> cut_torn(int fd) const = 0;
};

const LogFormat& json_log_format();
const LogFormat& local_log_format();
// None for a driver that keeps nothing.
const LogFormat* log_format(LogDriverKind kind);

}  // namespace engine::runtime
