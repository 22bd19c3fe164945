// How a container ends on request, who waits for that, and how it is removed. Statuses and words are dockerd's.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/container_view.h"
#include "engine/runtime/restart_policy.h"
#include "engine/runtime/signal_number.h"

namespace engine::runtime {
namespace {

constexpr long stop_timeout_default = 10;              // seconds, as dockerd
constexpr long stop_timeout_max = 100L * 365 * 86400;  // longer is as long

std::string not_running(const Container& container) {
    return "container " + container.id + " is not running";
}

}  // namespace

// The bare signal to the container's first process.
Result<void> ContainerService::send_signal(Container& container, int number) {
    if (!container.running()) return fail(ErrorKind::conflict, not_running(container));
    const bool sent = syscall(SYS_pidfd_send_signal, container.held.pidfd.get(), number, nullptr, 0) == 0;
    // ESRCH: it ends just now.
    if (!sent && errno != ESRCH)
        return fail_errno(errno, "sending signal " + std::to_string(number) + " to container " + container.id);
    return {};
}

// A signal that somebody asked for. A container without a stop signal of its own takes every signal for one that is to
// end it, others only that one and SIGKILL: such a signal thaws a paused container and ends its restarts. As dockerd.
Task<void> ContainerService::deliver(std::shared_ptr<Container> container, int number) {
    CO_TRY(auto held, co_await container->lane.enter());
    if (!container->active()) co_return fail(ErrorKind::conflict, not_running(*container));
    const std::string& own = container->spec.stop_signal;
    const bool to_end = own.empty() || number == SIGKILL || signal_number(own).value_or(SIGTERM) == number;
    container->state.manually_stopped = true;
    if (to_end) container->state.restart_canceled = true;
    if (container->state.status == ContainerStatus::restarting) {
        if (to_end) cancel_restart(container);
        co_return Result<void>{};
    }
    // What the next engine would have to know, if this one died before the end is recorded.
    if (has_restart_policy(container->spec.restart) || container->state.kill_at != 0 || container->state.start_again) {
        CO_TRY_VOID(try_save_state(*container));
    }
    CO_TRY_VOID(send_signal(*container, number));
    publish(*container, "kill", {{"signal", std::to_string(number)}});
    if (!to_end || container->state.status != ContainerStatus::paused) co_return Result<void>{};
    auto thawed = co_await thaw_found(container);
    if (!thawed) log_warn("cannot unpause container " + container->id + ": " + thawed.error().message());
    co_return Result<void>{};
}

// True when the run of now is over and recorded, false when `stop` came first; an error when the engine stops.
Task<bool> ContainerService::run_ended(std::shared_ptr<Container> container, reactor::StopToken stop) {
    const std::uint64_t run = container->run;
    while (container->running() && container->run == run) {
        auto woken = co_await container->exited.wait(stop);
        if (!woken && scope_.token().stop_requested()) co_return fail(ErrorKind::unavailable, "the engine is stopping");
        if (!woken) co_return false;
    }
    co_return true;
}

Task<void> ContainerService::kill(std::string_view reference, std::string_view signal_text) {
    auto killed = co_await kill_found(reference, signal_text);
    if (!killed)
        co_return fail(std::move(killed.error()).with_context("cannot kill container: " + std::string(reference)));
    co_return Result<void>{};
}

Task<void> ContainerService::kill_found(std::string_view reference, std::string_view signal_text) {
    CO_TRY(auto number, signal_number(signal_text));
    CO_TRY(auto container, find(reference));
    CO_TRY_VOID(co_await deliver(container, number));
    if (number != SIGKILL) co_return Result<void>{};
    // dockerd answers when it is dead.
    CO_TRY(const bool ended, co_await run_ended(container, scope_.token()));
    CHECK(ended);
    co_return Result<void>{};
}

Task<void> ContainerService::stop(std::string_view reference, std::string_view signal_text,
                                  std::optional<long> timeout) {
    CO_TRY(auto container, find(reference));
    if (!container->active()) co_return fail(ErrorKind::not_modified, "container is already stopped");
    auto stopped = co_await stop_found(container, signal_text, timeout);
    if (!stopped)
        co_return fail(std::move(stopped.error()).with_context("cannot stop container: " + std::string(reference)));
    co_return Result<void>{};
}

Task<void> ContainerService::stop_found(std::shared_ptr<Container> container, std::string_view signal_text,
                                        std::optional<long> timeout) {
    int number = SIGTERM;
    if (!signal_text.empty()) {
        CO_TRY(number, signal_number(signal_text));
    } else if (!container->spec.stop_signal.empty()) {
        number = signal_number(container->spec.stop_signal).value_or(SIGTERM);
    }
    const long own = static_cast<long>(container->spec.stop_timeout.value_or(stop_timeout_default));
    const long seconds = std::min(timeout.value_or(own), stop_timeout_max);
    container->state.kill_at = seconds < 0 ? 0 : realtime_ns() + seconds * second;
    auto sent = co_await deliver(container, number);
    if (!sent) container->state.kill_at = 0;
    // It has ended by itself: so it is stopped.
    if (!sent && container->active()) co_return fail(std::move(sent.error()));
    bool ended = false;
    if (seconds >= 0) {
        reactor::Deadline deadline(seconds * second, scope_.token());
        CO_TRY(ended, co_await run_ended(container, deadline.token()));
        if (!ended) {
            auto killed = co_await deliver(container, SIGKILL);
            ignore_result(killed, "it may have ended meanwhile");
        }
    }
    CO_TRY(ended, co_await run_ended(container, scope_.token()));
    publish(*container, "stop");
    co_return Result<void>{};
}

Task<void> ContainerService::restart(std::string_view reference, std::string_view signal_text,
                                     std::optional<long> timeout) {
    CO_TRY(auto container, find(reference));
    auto restarted = co_await restart_found(container, signal_text, timeout);
    if (restarted) co_return Result<void>{};
    if (std::exchange(container->state.start_again, false) && !container->removed.is_set()) save_state(*container);
    co_return fail(std::move(restarted.error())
                       .with_context("Cannot restart container " + std::string(reference))
                       .with_kind(ErrorKind::internal));
}

Task<void> ContainerService::restart_found(std::shared_ptr<Container> container, std::string_view signal_text,
                                           std::optional<long> timeout) {
    if (container->active()) {
        container->state.start_again = true;
        CO_TRY_VOID(co_await stop_found(container, signal_text, timeout));
    }
    auto started = co_await start_found(container);
    // Somebody else was faster: it runs.
    if (!started && started.error().kind() != ErrorKind::not_modified) co_return fail(std::move(started.error()));
    publish(*container, "restart");
    co_return Result<void>{};
}

// A container that goes wakes those who wait for its exit, too: there will be none.
Task<WaitAnswer> ContainerService::wait(std::shared_ptr<Container> container, WaitCondition condition,
                                        reactor::StopToken stop) {
    WaitAnswer answer;
    if (condition == WaitCondition::removed) {
        const std::uint64_t failed_before = container->failed_removals;
        CO_TRY_VOID(co_await container->removed.wait(stop));
        if (container->failed_removals != failed_before) answer.error = container->removal_error;
    } else if (condition == WaitCondition::next_exit || container->active()) {
        const std::uint64_t run = container->run;
        CO_TRY_VOID(co_await container->exited.wait(stop));
        if (container->removed.is_set() && container->run == run && condition == WaitCondition::next_exit &&
            container->state.started_at == 0)
            answer.error = "the container was removed before it was started";
    }
    answer.exit_code = container->state.exit_code;
    // A removal that went well clears the error of a failed start, at dockerd too: `docker run --rm` tells it once.
    if (answer.error.empty() && condition != WaitCondition::removed) answer.error = container->state.error;
    co_return answer;
}

Task<void> ContainerService::remove(std::string_view reference, bool force) {
    CO_TRY(auto container, find(reference));
    if (container->removing)
        co_return fail(ErrorKind::conflict,
                       "removal of container " + std::string(reference) + " is already in progress");
    if (container->active() && !force)
        co_return fail(ErrorKind::conflict, "cannot remove container \"/" + container->name + "\": container is " +
                                                std::string(status_word(container->state.status)) +
                                                (container->state.status == ContainerStatus::paused
                                                     ? " and must be unpaused first"
                                                     : ": stop the container before removing or force remove"));
    container->removing = true;
    Result<void> killed;
    // A start or an end that is on its way comes first; another one does not begin any more.
    if (container->lane.busy()) {
        auto turn = co_await container->lane.enter();
        ignore_result(turn, "only for what was before us");
    }
    if (container->active()) killed = co_await deliver(container, SIGKILL);
    if (!killed && container->active()) {
        container->removing = false;
        co_return fail(std::move(killed.error())
                           .with_context("cannot remove container \"/" + container->name + "\": could not kill"));
    }
    auto ended = co_await run_ended(container, scope_.token());
    if (!ended) {
        container->removing = false;
        co_return fail(std::move(ended.error()));
    }
    auto removed = co_await remove_now(container);
    co_return removed;
}

// `removing` is set by the caller, so there is one at a time. The row goes first: what an engine that dies here leaves
// is swept by the next.
Task<void> ContainerService::remove_now(std::shared_ptr<Container> container) {
    CO_TRY(auto held, co_await container->lane.enter());
    if (auto deleted = db_.delete_container(container->id); !deleted) {
        container->removing = false;
        container->removal_error = deleted.error().message();
        ++container->failed_removals;
        container->removed.notify_all();
        co_return deleted;
    }
    if (auto gone = images_.remove_rootfs(container->id); !gone)
        log_warn("removing " + container->id + ": " + gone.error().message());
    if (container->log) container->log->close();
    ::unlink(log_place(*container).journal.c_str());
    images_.release(container->image_id);
    ids_by_name_.erase(container->name);
    containers_.erase(container->id);
    forget_links(*container);
    publish(*container, "destroy");
    container->removed.set();
    if (removed_) removed_(*container);
    container->exited.notify_all();
    co_return Result<void>{};
}

}  // namespace engine::runtime
