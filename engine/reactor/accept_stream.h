// The connections that come to a listening socket: one request to the kernel for all of them where it has multishot
// accept (5.19), one for each elsewhere.
#pragma once

#include <deque>

#include "engine/reactor/event.h"
#include "engine/reactor/operation.h"
#include "engine/reactor/task.h"
#include "engine/reactor/unique_fd.h"

namespace engine::reactor {

class AcceptStream : public Operation {
public:
    // `listening` is borrowed.
    explicit AcceptStream(int listening);
    // The next connection, close-on-exec. After an error (EMFILE) the next call asks anew.
    Task<UniqueFd> next(StopToken stop);
    // Before the destructor: the kernel lets go of the request; what has come and was not taken is closed.
    Task<void> close();

private:
    static void completed(Operation* self, int result, std::uint32_t flags, bool more);

    std::deque<UniqueFd> waiting_;
    Event changed_;
    int error_ = 0;
};

}  // namespace engine::reactor
