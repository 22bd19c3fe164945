// The last events on disk, so that `since` reaches back over a restart of the engine. One JSON line each, as clients
// get them, in two files of bounded size: PATH is written, PATH.1 is the one before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/io.h"
#include "engine/reactor/scope.h"
#include "engine/runtime/event.h"

namespace engine::runtime {

class EventJournal {
public:
    explicit EventJournal(std::string path) : path_(std::move(path)) {}
    // Opens it for appending and returns what is in it, oldest first, at most the last `count_max`. Lines that are
    // broken (the last one of an engine that was killed) are passed over.
    std::vector<EventMessage> open(std::size_t count_max);
    // Is written beside the loop; what cannot be (a full disk) is lost, and said.
    void append(std::string_view line);
    Task<void> close();   // waits for what is being written

private:
    Task<void> write_pending();
    Result<void> rotate();
    void lost(const Error& error);

    std::string path_;
    UniqueFd fd_;
    std::int64_t size_ = 0;
    std::string pending_;
    std::uint64_t lost_ = 0;
    bool writing_ = false;
    reactor::Scope scope_{"event journal"};
};

// One line of it back to a message; none when it is broken.
bool parse_event(std::string_view line, EventMessage& message);

}  // namespace engine::runtime
