#include "engine/reactor/loop.h"

#include "engine/reactor/limits.h"
#include "engine/reactor/log.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/task_path.h"
#include "engine/reactor/try.h"

namespace engine::reactor {
namespace {
thread_local Loop* this_loop = nullptr;

// With log_slow_turns: what took longest in this turn.
struct Slowest {
    std::string path;
    Nanoseconds took = 0;
};
thread_local Slowest slowest;
constexpr Nanoseconds worth_naming = turn_slow_ns / 10;

void run_timed(Runnable* item) {
    const Nanoseconds began = monotonic_ns();
    item->run(item);
    const Nanoseconds took = monotonic_ns() - began;
    if (took <= slowest.took || took < worth_naming) return;
    slowest.took = took;
    slowest.path = task_path(item);
}
}  // namespace

void make_ready(Runnable* item) { Loop::current().ready(item); }

Loop& Loop::current() {
    CHECK(this_loop != nullptr);
    return *this_loop;
}

Result<std::unique_ptr<Loop>> Loop::create(Options options) {
    CHECK(this_loop == nullptr);
    TRY(auto backend, UringBackend::create(ring_entries, options.plain_ring));
    return std::unique_ptr<Loop>(new Loop(std::move(backend), options));
}

Loop::Loop(std::unique_ptr<UringBackend> backend, Options options)
    : backend_(std::move(backend)), now_(monotonic_ns()), options_(options) {
    this_loop = this;
}

Loop::~Loop() {
    this_loop = nullptr;
    frame_pool_trim();
}

void Loop::ready(Runnable* item) {
    CHECK(!item->queued);
    item->queued = true;
    item->ready_next = nullptr;
    if (ready_tail_) {
        ready_tail_->ready_next = item;
    } else {
        ready_head_ = item;
    }
    ready_tail_ = item;
}

Result<void> Loop::run(Task<void> main) {
    struct Ended : Runnable {
        bool ended = false;
    } ended;
    ended.run = [](Runnable* self) { static_cast<Ended*>(self)->ended = true; };
    main.start(&ended);
    while (!ended.ended) turn(&ended.ended);
    return main.take();
}

void Loop::turn(const bool* ended) {
    const Nanoseconds began = now_;
    // A chain of awaits unwinds by the ready queue, a level each time: without a system call in between, but within a
    // bound, so that what keeps itself ready cannot starve the ring.
    run_ready();
    for (int rounds = 1; ready_head_ && rounds < rounds_max && monotonic_ns() - began < rounds_ns; ++rounds)
        run_ready();
    fire_timers();
    Nanoseconds timeout = -1;
    if (ready_head_ || *ended) {
        timeout = 0;
    } else if (Timer* timer = timers_.earliest()) {
        timeout = timer->when > now_ ? timer->when - now_ : 0;
    }
    account(began);
    counters_.completions += backend_->turn(timeout);
    now_ = monotonic_ns();
}

// Only what is queued when the round begins.
void Loop::run_ready() {
    Runnable* item = ready_head_;
    ready_head_ = ready_tail_ = nullptr;
    while (item) {
        Runnable* next = item->ready_next;
        item->queued = false;
        if (options_.log_slow_turns) [[unlikely]] {
            run_timed(item);
        } else {
            item->run(item);
        }
        item = next;
    }
}

void Loop::fire_timers() {
    while (Timer* timer = timers_.earliest()) {
        if (timer->when > now_) break;
        timers_.remove(timer);
        timer->fire(timer);
    }
}

void Loop::account(Nanoseconds began) {
    now_ = monotonic_ns();
    const Nanoseconds took = now_ - began;
    ++counters_.turns;
    if (took > counters_.turn_longest) counters_.turn_longest = took;
    if (took > turn_slow_ns) {
        ++counters_.turns_slow;
        if (options_.log_slow_turns)
            log_debug("a turn of the loop took " + std::to_string(took / microsecond) + " us, " +
                      std::to_string(slowest.took / microsecond) + " of them in " +
                      (slowest.path.empty() ? "main, or a task that is gone" : slowest.path));
    }
    if (slowest.took != 0) slowest = {};
}

}  // namespace engine::reactor
