// Waiting inside the engine: Event (broadcast), Lane (one at a time, in order). All wake by the ready queue.
#pragma once

#include <coroutine>

#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"

namespace engine::reactor {

// notify_all wakes those who wait now; set() also lets later waiters through until clear().
class Event {
public:
    class Awaiter : public ListNode {
    public:
        Awaiter(Event* event, StopToken stop) : event_(event), stop_(stop) {}
        bool await_ready() const { return event_->set_ || stop_.stop_requested(); }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> waiter) {
            waiter_ = &waiter.promise();
            waiter_->waiting_for = "event";
            on_stop_.owner = this;
            on_stop_.run = [](StopCallback* callback) {
                auto* self = static_cast<OnStop*>(callback)->owner;
                self->unlink();
                make_ready(self->waiter_);
            };
            stop_.subscribe(&on_stop_);
            event_->waiters_.push_back(this);
        }
        Result<void> await_resume() {
            if (waiter_) waiter_->waiting_for = nullptr;
            if (notified_ || event_->set_) return {};
            if (stop_.stop_requested()) return fail(stop_.reason(), "stopped while waiting");
            return {};
        }

    private:
        friend class Event;
        struct OnStop : StopCallback {
            Awaiter* owner = nullptr;
        };
        Event* event_;
        StopToken stop_;
        OnStop on_stop_;
        PromiseBase* waiter_ = nullptr;
        bool notified_ = false;
    };

    Awaiter wait(StopToken stop = {}) { return Awaiter(this, stop); }
    bool is_set() const { return set_; }
    bool has_waiters() { return !waiters_.empty(); }
    void clear() { set_ = false; }
    void set() {
        set_ = true;
        notify_all();
    }
    void notify_all() {
        while (notify_one()) {
        }
    }
    bool notify_one() {
        Awaiter* awaiter = waiters_.pop_front();
        if (!awaiter) return false;
        awaiter->notified_ = true;
        awaiter->on_stop_.unlink();
        make_ready(awaiter->waiter_);
        return true;
    }

private:
    IntrusiveList<Awaiter> waiters_;
    bool set_ = false;
};

// An async mutex: holders enter in the order of asking. `auto held = co_await lane.enter();` then `lane.leave()` is
// done by Held's destructor.
class Lane {
public:
    class [[nodiscard]] Held {
    public:
        Held() = default;
        explicit Held(Lane* lane) : lane_(lane) {}
        Held(Held&& other) noexcept : lane_(std::exchange(other.lane_, nullptr)) {}
        Held& operator=(Held&& other) noexcept {
            release();
            lane_ = std::exchange(other.lane_, nullptr);
            return *this;
        }
        ~Held() { release(); }
        void release() {
            if (lane_) std::exchange(lane_, nullptr)->leave();
        }

    private:
        Lane* lane_ = nullptr;
    };

    Task<Held> enter(StopToken stop = {}) {
        if (busy_) {
            ++waiting_;
            auto woken = co_await turn_.wait(stop);
            --waiting_;
            if (!woken) co_return fail(std::move(woken.error()));
            // leave() handed the lane over without clearing busy_.
        }
        busy_ = true;
        co_return Held(this);
    }
    bool busy() const { return busy_; }

private:
    void leave() {
        if (!turn_.notify_one()) busy_ = false;
    }
    Event turn_;
    int waiting_ = 0;
    bool busy_ = false;
};

}  // namespace engine::reactor
