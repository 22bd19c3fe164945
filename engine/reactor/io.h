// The awaitable verbs, one per request of the kernel. Descriptors are borrowed; buffers belong to the kernel until the
// verb has completed, which is guaranteed because frames run to their end. Each verb takes a stop token: stopping
// cancels the request, and its own completion still decides (a request that had finished keeps its value).
#pragma once

#include <poll.h>

#include <coroutine>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/reactor/loop.h"
#include "engine/reactor/unique_fd.h"

struct msghdr;
struct sockaddr;

namespace engine::reactor {

// One request in flight. Convert turns the kernel's non-negative answer into the verb's value.
class IoAwaiterBase : public Operation {
public:
    bool await_ready() const { return stop_.stop_requested(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        waiter_ = &waiter.promise();
        waiter_->waiting_for = what_;
        on_complete = completed;
        start();
    }

protected:
    IoAwaiterBase(const Request& r, const char* what, StopToken stop) : what_(what), stop_(stop) { request = r; }
    Result<int> finish();
    void start();
    static void completed(Operation* self, int result, std::uint32_t flags, bool more);

    struct OnStop : StopCallback {
        IoAwaiterBase* owner = nullptr;
    };
    const char* what_;
    StopToken stop_;
    OnStop on_stop_;
    PromiseBase* waiter_ = nullptr;
    int result_ = -125;  // ECANCELED: when it never started
};

template <class T>
class IoAwaiter : public IoAwaiterBase {
public:
    IoAwaiter(const Request& r, const char* what, StopToken stop) : IoAwaiterBase(r, what, stop) {}
    Result<T> await_resume() {
        auto result = finish();
        if (!result) return tl::unexpected<Error>(std::move(result.error()));
        if constexpr (std::is_same_v<T, UniqueFd>) {
            return UniqueFd(*result);
        } else if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return static_cast<T>(*result);
        }
    }
};

namespace io {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;
inline ConstBytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// 0 bytes: end of file. `offset` defaults to the file's own position (pipes, sockets, ttys, O_APPEND files).
IoAwaiter<std::size_t> read(int fd, Bytes buffer, StopToken stop = {}, std::uint64_t offset = current_position);
IoAwaiter<std::size_t> write(int fd, ConstBytes buffer, StopToken stop = {}, std::uint64_t offset = current_position);
IoAwaiter<std::size_t> recv(int fd, Bytes buffer, StopToken stop = {});
IoAwaiter<std::size_t> send(int fd, ConstBytes buffer, StopToken stop = {}, bool more_follows = false);  // no SIGPIPE
IoAwaiter<std::size_t> recvmsg(int fd, msghdr* message, int flags, StopToken stop = {});
IoAwaiter<std::size_t> sendmsg(int fd, const msghdr* message, int flags, StopToken stop = {});
IoAwaiter<UniqueFd> accept(int fd, StopToken stop = {});  // close-on-exec
IoAwaiter<void> connect(int fd, const sockaddr* address, unsigned length, StopToken stop = {});
IoAwaiter<unsigned> poll(int fd, unsigned events, StopToken stop = {});  // the events that came
IoAwaiter<std::size_t> splice(int from, int to, std::size_t bytes, StopToken stop = {});
IoAwaiter<UniqueFd> openat(int directory, const char* path, int flags, unsigned mode,
                           StopToken stop = {});  // O_CLOEXEC added
IoAwaiter<void> fsync(int fd);
IoAwaiter<void> mkdirat(int directory, const char* path, unsigned mode);
IoAwaiter<void> unlinkat(int directory, const char* path, int flags);
IoAwaiter<void> renameat(int from_directory, const char* from, int to_directory, const char* to);
IoAwaiter<void> shutdown(int fd, int how);

// The whole buffer, or an error. A partial write happened if it fails.
Task<void> write_all(int fd, ConstBytes buffer, StopToken stop = {});
Task<void> send_all(int fd, ConstBytes buffer, StopToken stop = {});
// A whole small file, at most `bytes_max` bytes; longer is an error.
Task<std::string> read_file(std::string path, std::size_t bytes_max);

}  // namespace io

// co_await sleep_until(t) / sleep_for(d): ends early with the token's reason.
class SleepAwaiter : public Timer {
public:
    SleepAwaiter(Nanoseconds until, StopToken stop) : stop_(stop) { when = until; }
    SleepAwaiter(const SleepAwaiter&) = delete;
    bool await_ready() const { return stop_.stop_requested() || when <= Loop::current().now(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        waiter_ = &waiter.promise();
        waiter_->waiting_for = "sleep";
        begin();
    }
    Result<void> await_resume();

private:
    void begin();
    struct OnStop : StopCallback {
        SleepAwaiter* owner = nullptr;
    };
    StopToken stop_;
    OnStop on_stop_;
    PromiseBase* waiter_ = nullptr;
    bool stopped_ = false;
};
inline SleepAwaiter sleep_until(Nanoseconds until, StopToken stop = {}) { return SleepAwaiter(until, stop); }
inline SleepAwaiter sleep_for(Nanoseconds duration, StopToken stop = {}) {
    return SleepAwaiter(Loop::current().now() + duration, stop);
}

// A token that stops with `timed_out` when the time comes, and with its parent's reason when the parent stops.
class Deadline : private Timer {
public:
    Deadline(Nanoseconds after, StopToken parent = {});
    ~Deadline();
    StopToken token() { return source_.token(); }
    bool passed() const { return source_.stop_requested(); }

private:
    StopSource source_;
};

}  // namespace engine::reactor

namespace engine {
namespace io = reactor::io;
}
