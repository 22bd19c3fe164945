// A log read back: by tail, by time, by stream, and on as it grows.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "engine/reactor/byte_stream.h"
#include "engine/runtime/json_log_reader.h"
#include "engine/runtime/log_file.h"

namespace engine::runtime {

struct LogQuery {
    bool follow = false;
    bool timestamps = false;
    bool stdout_ = true;
    bool stderr_ = true;
    bool framed = true;          // 8-byte headers; a terminal's output has none
    std::int64_t tail = -1;      // records; negative: all
    Nanoseconds since = 0;       // inclusive; 0: no bound
    Nanoseconds until = 0;
    std::string details;         // in front of each line when not empty
};

class LogStreamer {
public:
    // `live` is the file being written, none when nothing writes it. `sink` is borrowed.
    LogStreamer(std::string path, LogLimits limits, std::shared_ptr<LogFile> live, LogQuery query, ByteSink* sink);
    // Until the end of the log, of what is asked for, of the client, or of `stop`.
    Task<void> run(reactor::StopToken stop);

private:
    struct Position {
        std::size_t file = 0;    // in files_
        std::int64_t offset = 0;
    };
    Task<Position> tail_position(reactor::StopToken stop);
    Task<void> copy_file(int fd, std::int64_t offset, reactor::StopToken stop);
    Task<void> follow(reactor::StopToken stop);
    bool open_next();
    void take(const LogEntry& entry);

    std::string path_;
    LogLimits limits_;
    std::shared_ptr<LogFile> live_;
    LogQuery query_;
    ByteSink* sink_;
    std::deque<UniqueFd> files_;       // oldest first; the last one may grow
    std::uint64_t rotations_seen_ = 0; // of live_, when the last of files_ was PATH
    std::int64_t offset_ = 0;          // read so far of the last file
    JsonLogDecoder decoder_;
    std::string out_;
    bool past_until_ = false;
};

}  // namespace engine::runtime
