// A log read back: by tail, by time, by stream, and on as it grows.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/units.h"
#include "engine/runtime/container_log.h"

namespace engine::runtime {

struct LogQuery {
    bool follow = false;
    bool timestamps = false;
    bool details = false;
    bool stdout_ = true;
    bool stderr_ = true;
    bool framed = true;          // 8-byte headers; a terminal's output has none
    std::int64_t tail = -1;      // records; negative: all
    Nanoseconds since = 0;       // inclusive; 0: no bound
    Nanoseconds until = 0;
};

class LogStreamer {
public:
    // `live` is the log being written, none when nothing writes it. `sink` is borrowed.
    LogStreamer(LogPlace place, std::shared_ptr<ContainerLog> live, LogQuery query, ByteSink* sink);
    // Until the end of the log, of what is asked for, of the client, or of `stop`.
    Task<void> run(reactor::StopToken stop);
    // When it has returned, the sink has had everything that is in the log at that moment.
    Task<void> run_up_to_now(reactor::StopToken stop);

private:
    // A file whose records are read from `offset` on.
    struct Part : LogPart {
        std::int64_t offset = 0;
        std::uint64_t skip = 0;   // records from there on which are not asked for
    };
    Task<void> find_tail(reactor::StopToken stop);
    Task<void> find_tail_lines(Part* part, std::uint64_t* left, reactor::StopToken stop);
    Task<void> find_tail_blocks(Part* part, std::uint64_t* left, reactor::StopToken stop);
    Task<void> unzip(Part* part, reactor::StopToken stop);
    Task<void> copy(Part* part, reactor::StopToken stop);
    Task<void> follow(reactor::StopToken stop);
    Task<bool> next_part(reactor::StopToken stop);
    void take(const LogEntry& entry);
    std::size_t readable(const Part& part) const;
    bool caught_up() const;
    void report() const;

    LogPlace place_;
    std::shared_ptr<ContainerLog> live_;
    LogQuery query_;
    ByteSink* sink_;
    std::deque<Part> parts_;           // oldest first; the last one may grow
    std::uint64_t generation_ = 0;     // of the last of parts_, when there is live_
    std::unique_ptr<LogDecoder> decoder_;
    std::string out_;
    std::string details_;              // of the last entry, made of details_of_
    std::string details_of_;
    std::string stamp_;                // of the last entry, made of stamp_of_
    std::int64_t stamp_of_ = -1;
    std::uint64_t skip_ = 0;           // entries still to be passed over
    std::uint64_t files_broken_ = 0;
    std::uint64_t files_missed_ = 0;   // deleted before they were read
    bool past_until_ = false;
};

// `{"a":"b c"}` as `docker logs --details` shows it: a=b+c and a space.
std::string log_details(std::string_view attributes);

}  // namespace engine::runtime
