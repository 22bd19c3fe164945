// Stopping is a request: operations in flight are asked to end early and still complete, with `canceled` (or
// `timed_out`). One thread, so no atomics: an intrusive list of callbacks, each run once.
#pragma once

#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/result.h"

namespace engine::reactor {

class StopSource;

// Runs at most once, when the source it is registered with is asked to stop. Unregisters by destruction.
struct StopCallback : ListNode {
    void (*run)(StopCallback*) = nullptr;
};

// Borrowed view of a StopSource, which must outlive it. A default token is never stopped.
class StopToken {
public:
    StopToken() = default;
    explicit StopToken(StopSource* source) : source_(source) {}
    bool stop_requested() const;
    ErrorKind reason() const;
    void subscribe(StopCallback* callback) const;

private:
    StopSource* source_ = nullptr;
};

class StopSource {
public:
    StopSource() = default;
    explicit StopSource(StopToken parent) { follow(parent); }
    StopSource(const StopSource&) = delete;
    StopSource& operator=(const StopSource&) = delete;

    // Stops when the parent stops, with the parent's reason. At most one parent.
    void follow(StopToken parent) {
        parent_token_ = parent;
        if (parent.stop_requested()) {
            request_stop(parent.reason());
            return;
        }
        parent_link_.owner = this;
        parent_link_.run = [](StopCallback* callback) {
            auto* link = static_cast<ParentLink*>(callback);
            link->owner->request_stop(link->owner->parent_token_.reason());
        };
        parent.subscribe(&parent_link_);
    }
    void request_stop(ErrorKind reason = ErrorKind::canceled) {
        if (stopped_) return;
        stopped_ = true;
        reason_ = reason;
        while (StopCallback* callback = callbacks_.pop_front()) callback->run(callback);
    }
    bool stop_requested() const { return stopped_; }
    ErrorKind reason() const { return reason_; }
    StopToken token() { return StopToken(this); }

private:
    friend class StopToken;
    struct ParentLink : StopCallback {
        StopSource* owner = nullptr;
    };
    IntrusiveList<StopCallback> callbacks_;
    ParentLink parent_link_;
    StopToken parent_token_;
    ErrorKind reason_ = ErrorKind::canceled;
    bool stopped_ = false;
};

inline bool StopToken::stop_requested() const { return source_ && source_->stopped_; }
inline ErrorKind StopToken::reason() const { return source_ ? source_->reason_ : ErrorKind::canceled; }
inline void StopToken::subscribe(StopCallback* callback) const {
    if (source_) source_->callbacks_.push_back(callback);
}

}  // namespace engine::reactor
