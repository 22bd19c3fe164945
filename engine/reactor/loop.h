// The loop: one per thread. A turn runs what was ready when it began, fires due timers, then submits and waits in one
// system call. Completions only make their waiters ready; nothing is resumed inline.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"
#include "engine/reactor/timer_heap.h"
#include "engine/reactor/uring_backend.h"

namespace engine::reactor {

class Scope;

struct LoopCounters {
    std::uint64_t turns = 0;
    std::uint64_t turns_slow = 0;      // over limits.h turn_slow_ns
    Nanoseconds turn_longest = 0;
    std::uint64_t completions = 0;
};

class Loop {
public:
    struct Options {
        bool plain_ring = false;       // as on the oldest supported kernel
        bool log_slow_turns = false;
    };
    static Result<std::unique_ptr<Loop>> create(Options options);
    ~Loop();
    static Loop& current();            // this thread's loop; must exist

    // Runs until the task has ended; everything else spawned meanwhile runs too.
    Result<void> run(Task<void> main);

    Nanoseconds now() const { return now_; }   // monotonic, read once a turn
    void ready(Runnable* item);
    void submit(Operation* operation) { backend_->submit(operation); }
    void cancel(Operation* operation) { backend_->cancel(operation); }
    void arm(Timer* timer) { timers_.add(timer); }
    void disarm(Timer* timer) { timers_.remove(timer); }
    UringBackend& backend() { return *backend_; }
    const LoopCounters& counters() const { return counters_; }
    IntrusiveList<Scope>& scopes() { return scopes_; }   // root scopes, for the task tree

private:
    Loop(std::unique_ptr<UringBackend> backend, Options options);
    void turn(const bool* ended);
    void run_ready();
    void fire_timers();
    void account(Nanoseconds began);

    std::unique_ptr<UringBackend> backend_;
    TimerHeap timers_;
    IntrusiveList<Scope> scopes_;
    Runnable* ready_head_ = nullptr;
    Runnable* ready_tail_ = nullptr;
    [[maybe_unused]] const char* slowest_name_ = "";
    LoopCounters counters_;
    Nanoseconds now_ = 0;
    Options options_;
};

}  // namespace engine::reactor
