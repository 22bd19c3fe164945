#include "engine/reactor/receive_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/reactor/limits.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::reactor {

ReceiveStream::ReceiveStream(int connection) {
    const bool multishot = Loop::current().backend().features().receive_multishot;
    request.code = multishot ? OpCode::recv_multishot : OpCode::recv_provided;
    request.fd = connection;
    on_complete = completed;
}

void ReceiveStream::completed(Operation* operation, int result, std::uint32_t flags, bool more) {
    auto* self = static_cast<ReceiveStream*>(operation);
    UringBackend& backend = Loop::current().backend();
    if (!more) self->cancelling_ = false;
    if (result > 0) {
        const std::uint16_t id = UringBackend::buffer_id(flags);
        const auto bytes = backend.buffer(id, static_cast<std::size_t>(result));
        self->received_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        backend.give_back(id);
        if (more && self->present() >= received_bytes_max) self->cancel();
    } else if (result == 0) {
        self->ended_ = true;
    } else if (result != -EINTR && result != -ECANCELED) {
        self->error_ = -result;
    }
    self->changed_.notify_all();
}

void ReceiveStream::cancel() {
    if (!std::exchange(cancelling_, true)) Loop::current().cancel(this);
}

Task<void> ReceiveStream::arrival(StopToken stop) {
    while (present() == 0 && !ended_) {
        if (const int error = std::exchange(error_, 0); error != 0) co_return fail_errno(error, "recv");
        if (!in_flight) Loop::current().submit(this);
        CO_TRY_VOID(co_await changed_.wait(stop));
    }
    co_return Result<void>{};
}

std::size_t ReceiveStream::take(std::span<std::byte> buffer) {
    const std::size_t bytes = std::min(buffer.size(), present());
    if (bytes > 0) std::memcpy(buffer.data(), received_.data() + taken_, bytes);
    taken_ += bytes;
    if (present() == 0) {
        std::string().swap(received_);  // an idle connection costs no buffer
        taken_ = 0;
    }
    return bytes;
}

Task<void> ReceiveStream::pause() {
    while (in_flight) {
        cancel();
        CO_TRY_VOID(co_await changed_.wait());
    }
    co_return Result<void>{};
}

}  // namespace engine::reactor
