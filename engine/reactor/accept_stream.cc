#include "engine/reactor/accept_stream.h"

#include <sys/socket.h>

#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::reactor {

AcceptStream::AcceptStream(int listening) {
    const bool multishot = Loop::current().backend().features().accept_multishot;
    request.code = multishot ? OpCode::accept_multishot : OpCode::accept;
    request.fd = listening;
    request.flags = SOCK_CLOEXEC;
    on_complete = completed;
}

void AcceptStream::completed(Operation* operation, int result, std::uint32_t, bool) {
    auto* self = static_cast<AcceptStream*>(operation);
    if (result >= 0) {
        self->waiting_.emplace_back(result);
    } else if (result != -EINTR && result != -ECONNABORTED) {
        self->error_ = -result;
    }
    self->changed_.notify_all();
}

Task<UniqueFd> AcceptStream::next(StopToken stop) {
    while (waiting_.empty()) {
        if (const int error = std::exchange(error_, 0); error != 0) co_return fail_errno(error, "accept");
        if (!in_flight) Loop::current().submit(this);
        CO_TRY_VOID(co_await changed_.wait(stop));
    }
    UniqueFd connection = std::move(waiting_.front());
    waiting_.pop_front();
    co_return connection;
}

Task<void> AcceptStream::close() {
    if (in_flight) Loop::current().cancel(this);
    while (in_flight) {
        CO_TRY_VOID(co_await changed_.wait());
    }
    waiting_.clear();
    co_return Result<void>{};
}

}  // namespace engine::reactor
