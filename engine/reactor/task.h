// Task<T>: a lazily started coroutine that yields Result<T>.
//
// Awaiting starts the child by a plain resume. A child that ends without waiting lets the parent go on at once;
// otherwise its end puts the parent on the loop's ready queue. So the stack is as deep as the static nesting of first
// calls, in debug builds too, and a frame is never destroyed under code that still runs in it. Frames run to their end:
// destroying a Task that was started and has not finished is a bug of ours (see docs/design.md, "The await dialect").
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <utility>

#include "engine/reactor/frame_pool.h"
#include "engine/reactor/result.h"
#include "engine/reactor/runnable.h"

namespace engine::reactor {

// What every coroutine of ours has, whatever it yields. Being a Runnable, it goes on the ready queue without
// allocation.
class PromiseBase : public Runnable {
public:
    static void* operator new(std::size_t bytes) { return frame_allocate(bytes); }
    static void operator delete(void* frame, std::size_t bytes) { frame_release(frame, bytes); }

    std::suspend_always initial_suspend() noexcept { return {}; }
    [[noreturn]] void unhandled_exception() noexcept { std::abort(); }

    bool finished() const { return finished_; }
    void set_waiter(PromiseBase* waiter) { waiter_ = waiter; }
    // Instead of a waiter: run when the coroutine has ended (a scope's reaping).
    void set_finisher(Runnable* finisher) { finisher_ = finisher; }

    const char* name = "task";           // for the task tree
    const char* waiting_for = nullptr;   // the leaf operation it waits for, when it is the innermost
    PromiseBase* child = nullptr;        // the coroutine it awaits

protected:
    struct FinalAwaiter {
        bool await_ready() noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> self) noexcept {
            PromiseBase& promise = self.promise();
            promise.finished_ = true;
            if (promise.waiter_) {
                make_ready(promise.waiter_);
            } else if (promise.finisher_) {
                make_ready(promise.finisher_);
            }
        }
        [[noreturn]] void await_resume() noexcept { std::abort(); }
    };

private:
    PromiseBase* waiter_ = nullptr;
    Runnable* finisher_ = nullptr;
    bool finished_ = false;
};

template <class T>
class [[nodiscard]] Task {
public:
    class promise_type : public PromiseBase {
    public:
        promise_type() {
            run = [](Runnable* self) {
                auto& promise = static_cast<promise_type&>(*static_cast<PromiseBase*>(self));
                std::coroutine_handle<promise_type>::from_promise(promise).resume();
            };
        }
        Task get_return_object(const char* function = __builtin_FUNCTION()) {
            name = function;
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        FinalAwaiter final_suspend() noexcept { return {}; }
        void return_value(Result<T> value) { value_.emplace(std::move(value)); }
        Result<T> take() {
            CHECK(value_.has_value());
            return std::move(*value_);
        }

    private:
        std::optional<Result<T>> value_;
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), started_(other.started_) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            destroy();
            handle_ = std::exchange(other.handle_, nullptr);
            started_ = other.started_;
        }
        return *this;
    }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() { destroy(); }

    // Starts it; when it ends, `finisher` goes on the ready queue (even when it ended at once). For scopes and tests.
    void start(Runnable* finisher) {
        CHECK(handle_ && !started_);
        started_ = true;
        handle_.promise().set_finisher(finisher);
        handle_.resume();
    }
    bool finished() const { return handle_ && handle_.promise().finished(); }
    Result<T> take() { return handle_.promise().take(); }
    PromiseBase* promise() const { return handle_ ? &handle_.promise() : nullptr; }

    struct Awaiter {
        std::coroutine_handle<promise_type> handle;
        bool await_ready() noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> parent) noexcept {
            PromiseBase& up = parent.promise();
            promise_type& down = handle.promise();
            up.child = &down;
            handle.resume();
            if (down.finished()) {
                up.child = nullptr;
                return false;
            }
            down.set_waiter(&up);
            waiting = &up;
            return true;
        }
        Result<T> await_resume() {
            if (waiting) waiting->child = nullptr;
            return handle.promise().take();
        }
        PromiseBase* waiting = nullptr;
    };
    Awaiter operator co_await() && {
        CHECK(handle_ && !started_);
        started_ = true;
        return Awaiter{handle_};
    }

private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    void destroy() {
        if (!handle_) return;
        CHECK(!started_ || handle_.promise().finished());
        handle_.destroy();
        handle_ = nullptr;
    }
    std::coroutine_handle<promise_type> handle_;
    bool started_ = false;
};

}  // namespace engine::reactor

namespace engine {
using reactor::Task;
}
