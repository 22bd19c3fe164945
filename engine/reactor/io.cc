#include "engine/reactor/io.h"
#include "engine/reactor/io_openat2.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

#include "engine/reactor/try.h"

namespace engine::reactor {

void IoAwaiterBase::start() {
    Loop::current().submit(this);
    if (on_stop_.linked()) return;  // a retry: still subscribed
    on_stop_.owner = this;
    on_stop_.run = [](StopCallback* callback) {
        auto* self = static_cast<OnStop*>(callback)->owner;
        if (self->in_flight) Loop::current().cancel(self);
    };
    stop_.subscribe(&on_stop_);
}

void IoAwaiterBase::completed(Operation* operation, int result, std::uint32_t, bool) {
    auto* self = static_cast<IoAwaiterBase*>(operation);
    if (result == -EINTR && !self->stop_.stop_requested()) {
        self->start();
        return;
    }
    self->result_ = result;
    self->on_stop_.unlink();
    make_ready(self->waiter_);
}

Result<int> IoAwaiterBase::finish() {
    if (waiter_) waiter_->waiting_for = nullptr;
    if (result_ >= 0) return result_;
    if (result_ == -ECANCELED && stop_.stop_requested()) {
        std::string message(what_);
        message += stop_.reason() == ErrorKind::timed_out ? ": timed out" : ": canceled";
        return tl::unexpected<Error>(Error(stop_.reason(), std::move(message), ECANCELED));
    }
    return fail_errno(-result_, what_);
}

namespace io {
namespace {
Request transfer(OpCode code, int fd, const void* address, std::size_t length, std::uint32_t flags = 0) {
    constexpr std::size_t transfer_max = 1u << 30;
    Request r;
    r.code = code;
    r.fd = fd;
    r.address = address;
    r.length = static_cast<std::uint32_t>(length < transfer_max ? length : transfer_max);
    r.flags = flags;
    return r;
}
}  // namespace

IoAwaiter<std::size_t> read(int fd, Bytes buffer, StopToken stop, std::uint64_t offset) {
    Request r = transfer(OpCode::read, fd, buffer.data(), buffer.size());
    r.offset = offset;
    return {r, "read", stop};
}
IoAwaiter<std::size_t> write(int fd, ConstBytes buffer, StopToken stop, std::uint64_t offset) {
    Request r = transfer(OpCode::write, fd, buffer.data(), buffer.size());
    r.offset = offset;
    return {r, "write", stop};
}
IoAwaiter<std::size_t> recv(int fd, Bytes buffer, StopToken stop) {
    return {transfer(OpCode::recv, fd, buffer.data(), buffer.size()), "recv", stop};
}
IoAwaiter<std::size_t> send(int fd, ConstBytes buffer, StopToken stop, bool more_follows) {
    const std::uint32_t flags = MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
    return {transfer(OpCode::send, fd, buffer.data(), buffer.size(), flags), "send", stop};
}
IoAwaiter<std::size_t> recvmsg(int fd, msghdr* message, int flags, StopToken stop) {
    return {transfer(OpCode::recvmsg, fd, message, 1, static_cast<std::uint32_t>(flags | MSG_CMSG_CLOEXEC)), "recvmsg",
            stop};
}
IoAwaiter<std::size_t> sendmsg(int fd, const msghdr* message, int flags, StopToken stop) {
    return {transfer(OpCode::sendmsg, fd, message, 1, static_cast<std::uint32_t>(flags | MSG_NOSIGNAL)), "sendmsg",
            stop};
}
IoAwaiter<UniqueFd> accept(int fd, StopToken stop) {
    return {transfer(OpCode::accept, fd, nullptr, 0, SOCK_CLOEXEC), "accept", stop};
}
IoAwaiter<void> connect(int fd, const sockaddr* address, unsigned length, StopToken stop) {
    return {transfer(OpCode::connect, fd, address, length), "connect", stop};
}
IoAwaiter<unsigned> poll(int fd, unsigned events, StopToken stop) {
    return {transfer(OpCode::poll, fd, nullptr, 0, events), "poll", stop};
}
IoAwaiter<std::size_t> splice(int from, int to, std::size_t bytes, StopToken stop) {
    Request r = transfer(OpCode::splice, to, nullptr, bytes);
    r.fd2 = from;
    r.address2 = current_position;
    r.offset = current_position;
    return {r, "splice", stop};
}
IoAwaiter<UniqueFd> openat(int directory, const char* path, int flags, unsigned mode, StopToken stop) {
    return {transfer(OpCode::openat, directory, path, mode, static_cast<std::uint32_t>(flags | O_CLOEXEC)), "openat",
            stop};
}
IoAwaiter<UniqueFd> openat2(int directory, const char* path, open_how* how, StopToken stop) {
    Request r = transfer(OpCode::openat, directory, path, 0);
    r.address2 = reinterpret_cast<std::uint64_t>(how);
    return {r, "openat2", stop};
}
IoAwaiter<void> fsync(int fd) { return {transfer(OpCode::fsync, fd, nullptr, 0), "fsync", {}}; }
IoAwaiter<void> mkdirat(int directory, const char* path, unsigned mode) {
    return {transfer(OpCode::mkdirat, directory, path, mode), "mkdirat", {}};
}
IoAwaiter<void> unlinkat(int directory, const char* path, int flags) {
    return {transfer(OpCode::unlinkat, directory, path, 0, static_cast<std::uint32_t>(flags)), "unlinkat", {}};
}
IoAwaiter<void> renameat(int from_directory, const char* from, int to_directory, const char* to) {
    Request r = transfer(OpCode::renameat, from_directory, from, 0);
    r.fd2 = to_directory;
    r.address2 = reinterpret_cast<std::uint64_t>(to);
    return {r, "renameat", {}};
}
IoAwaiter<void> shutdown(int fd, int how) {
    return {transfer(OpCode::shutdown, fd, nullptr, 0, static_cast<std::uint32_t>(how)), "shutdown", {}};
}

Task<void> write_all(int fd, ConstBytes buffer, StopToken stop) {
    while (!buffer.empty()) {
        CO_TRY(auto written, co_await write(fd, buffer, stop));
        if (written == 0) co_return fail_errno(ENOSPC, "write");
        buffer = buffer.subspan(written);
    }
    co_return Result<void>{};
}

Task<void> send_all(int fd, ConstBytes buffer, StopToken stop) {
    while (!buffer.empty()) {
        CO_TRY(auto sent, co_await send(fd, buffer, stop));
        buffer = buffer.subspan(sent);
    }
    co_return Result<void>{};
}

Task<std::string> read_file(std::string path, std::size_t bytes_max) {
    const char* name = path.c_str();
    auto opened = co_await openat(AT_FDCWD, name, O_RDONLY, 0);
    if (!opened) co_return fail(std::move(opened.error()).with_context(path));
    std::string content(4096, '\0');
    std::size_t filled = 0;
    while (true) {
        if (filled == content.size()) content.resize(content.size() * 2);
        Bytes free_part = std::as_writable_bytes(std::span(content)).subspan(filled);
        const StopToken never;
        auto got = co_await read(opened->get(), free_part, never, filled);
        if (!got) co_return fail(std::move(got.error()).with_context(path));
        if (*got == 0) break;
        filled += *got;
        if (filled > bytes_max) co_return fail(ErrorKind::too_large, path + ": larger than allowed");
    }
    content.resize(filled);
    co_return content;
}

}  // namespace io

void SleepAwaiter::begin() {
    fire = [](Timer* timer) {
        auto* self = static_cast<SleepAwaiter*>(timer);
        self->on_stop_.unlink();
        make_ready(self->waiter_);
    };
    on_stop_.owner = this;
    on_stop_.run = [](StopCallback* callback) {
        auto* self = static_cast<OnStop*>(callback)->owner;
        self->stopped_ = true;
        Loop::current().disarm(self);
        make_ready(self->waiter_);
    };
    Loop::current().arm(this);
    stop_.subscribe(&on_stop_);
}

Result<void> SleepAwaiter::await_resume() {
    if (waiter_) waiter_->waiting_for = nullptr;
    if (stopped_ || (!waiter_ && stop_.stop_requested())) return fail(stop_.reason(), "sleep: canceled");
    return {};
}

Deadline::Deadline(Nanoseconds after, StopToken parent) : source_(parent) {
    when = Loop::current().now() + after;
    fire = [](Timer* timer) { static_cast<Deadline*>(timer)->source_.request_stop(ErrorKind::timed_out); };
    Loop::current().arm(this);
}

Deadline::~Deadline() {
    if (armed()) Loop::current().disarm(this);
}

}  // namespace engine::reactor
