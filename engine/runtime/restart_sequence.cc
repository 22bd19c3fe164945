// What the restart policy starts again, after its pause or with the engine; and what an engine that died has left to be
// done. A pending restart is a row that says "restarting" and when; the task here only waits for that.
#include <csignal>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/restart_policy.h"

namespace engine::runtime {

Task<void> ContainerService::restart_later(std::shared_ptr<Container> container, Nanoseconds pause) {
    reactor::Deadline deadline(pause, scope_.token());
    auto off = co_await container->restart_off.wait(deadline.token());
    // Told not to, or the engine stops: then the next one goes on with it.
    if (off || scope_.token().stop_requested()) co_return Result<void>{};
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->state.status != ContainerStatus::restarting || container->removing) co_return Result<void>{};
    auto started = co_await start_locked(container);
    if (started) co_return Result<void>{};
    // dockerd does not try again, either.
    log_warn("container " + container->id + ": its restart failed: " + started.error().message());
    container->exited.notify_all();
    co_return Result<void>{};
}

// With the container's lane held.
void ContainerService::cancel_restart(const std::shared_ptr<Container>& container) {
    container->state.status = ContainerStatus::exited;
    container->state.restart_at = container->state.kill_at = 0;
    save_state(*container);
    container->restart_off.notify_all();
    container->exited.notify_all();
    if (container->spec.auto_remove && !container->removing && !container->state.start_again) remove_soon(container);
}

// A container that does not run when the engine begins.
void ContainerService::decide_what_follows(const std::shared_ptr<Container>& container) {
    const ContainerState& state = container->state;
    if (state.status != ContainerStatus::exited && state.status != ContainerStatus::restarting) return;
    const bool should = state.status == ContainerStatus::restarting || state.start_again ||
                        should_restart(container->spec.restart, state.exit_code, state.restarts,
                                       state.manually_stopped);
    if (should) {
        to_start_.push_back(container);
    } else if (container->spec.auto_remove) {
        remove_soon(container);   // its end was recorded, its removal was not reached
    }
}

void ContainerService::begin() {
    for (const auto& container : std::exchange(to_start_, {})) {
        if (container->state.status == ContainerStatus::restarting) {
            const Nanoseconds pause = std::max<Nanoseconds>(container->state.restart_at - realtime_ns(), 0);
            scope_.spawn("restart", restart_later(container, std::min(pause, restart_pause_most)));
        } else {
            scope_.spawn("start", start_at_begin(container));
        }
    }
}

Task<void> ContainerService::start_at_begin(std::shared_ptr<Container> container) {
    auto started = co_await start_found(container);
    if (!started && started.error().kind() != ErrorKind::not_modified)
        log_error("container " + container->id + " should run, and is not started: " + started.error().message());
    co_return Result<void>{};
}

// A stop that the engine before us began.
Task<void> ContainerService::finish_stop(std::shared_ptr<Container> container) {
    const Nanoseconds left = std::max<Nanoseconds>(container->state.kill_at - realtime_ns(), 0);
    reactor::Deadline deadline(left, scope_.token());
    CO_TRY(bool ended, co_await run_ended(container, deadline.token()));
    if (!ended) {
        CO_TRY_VOID(co_await deliver(container, SIGKILL));
        CO_TRY(ended, co_await run_ended(container, scope_.token()));
    }
    publish(*container, "stop");
    co_return Result<void>{};
}

// A `docker restart` that the engine before us began.
Task<void> ContainerService::start_after_end(std::shared_ptr<Container> container) {
    CO_TRY(const bool ended, co_await run_ended(container, scope_.token()));
    CHECK(ended);
    CO_TRY_VOID(co_await start_at_begin(container));
    publish(*container, "restart");
    co_return Result<void>{};
}

}  // namespace engine::runtime
