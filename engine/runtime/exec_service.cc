#include "engine/runtime/exec_service.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/exec_body.h"
#include "engine/runtime/exec_user.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/new_id.h"

namespace engine::runtime {
namespace {

constexpr Nanoseconds resize_wait_max = 10 * second;  // a client resizes as soon as it has asked for the start

Result<void> check_active(const Container& container, std::string_view shown_name) {
    if (!container.running()) return fail(ErrorKind::conflict, "container " + container.id + " is not running");
    if (container.state.status == ContainerStatus::paused)
        return fail(ErrorKind::conflict,
                    "Container " + std::string(shown_name) + " is paused, unpause the container before exec");
    return {};
}

std::string command_of(const ExecSpec& spec) {
    std::string out = spec.cmd[0] + " ";
    for (std::size_t i = 1; i < spec.cmd.size(); ++i) out.append(i > 1 ? " " : "").append(spec.cmd[i]);
    return out;
}

}  // namespace

ExecService::ExecService(ContainerService& containers, KeeperClient& keeper)
    : containers_(containers), keeper_(keeper) {
    for (KeeperHolding& holding : keeper_.take_execs()) adopt(holding);
    keeper_.on_exec_exit([this](KeeperExit exit) { keeper_exit(exit); });
    keeper_.on_lost([this] { keeper_lost(); });
    containers_.on_removed([this](Container& container) { container_removed(container); });
    containers_.on_run_ended([this](Container& container) { container_ended(container); });
}

Task<void> ExecService::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

Result<std::shared_ptr<Exec>> ExecService::find(std::string_view id) const {
    const auto found = execs_.find(id);
    if (found == execs_.end() || found->second->container->removed.is_set())
        return fail(ErrorKind::not_found, "No such exec instance: " + std::string(id));
    return found->second;
}

Result<std::shared_ptr<Exec>> ExecService::find_active(std::string_view id) const {
    TRY(auto exec, find(id));
    TRY_VOID(check_active(*exec->container, exec->container->id));
    return exec;
}

Task<std::string> ExecService::create(std::string_view container_reference, std::string_view body,
                                      bool console_sizes, reactor::StopToken stop) {
    CO_TRY(auto spec, parse_exec_create(body));
    if (!console_sizes) spec.console_size.reset();
    CO_TRY(auto container, containers_.find(container_reference));
    CO_TRY_VOID(check_active(*container, container_reference));
    if (container->exec_ids.size() >= kExecsOfContainerMax)
        co_return fail(ErrorKind::exhausted, "container " + container->id + " has " +
                                                 std::to_string(kExecsOfContainerMax) +
                                                 " execs that run or were never started: start or end some");
    if (!spec.user.empty()) {
        std::string user = spec.user;
        CO_TRY_VOID(co_await check_container_user(container, std::move(user), stop));
        CO_TRY_VOID(check_active(*container, container_reference));
    }
    if (spec.user.empty()) spec.user = container->spec.user;
    if (spec.working_dir.empty()) spec.working_dir = container->spec.working_dir;
    auto exec = std::make_shared<Exec>();
    exec->id = new_id();
    exec->container = container;
    exec->run = container->run;
    exec->spec = std::move(spec);
    execs_[exec->id] = exec;
    container->exec_ids.push_back(exec->id);
    container->had_execs = true;
    publish(*exec, "exec_create: " + command_of(exec->spec));
    co_return exec->id;
}

Task<void> ExecService::resize(std::shared_ptr<Exec> exec, TerminalSize size, reactor::StopToken stop) {
    if (!exec->ready.is_set()) {
        reactor::Deadline deadline(resize_wait_max, stop);
        auto ready = co_await exec->ready.wait(deadline.token());
        if (!ready) co_return fail(ErrorKind::timed_out, "timeout waiting for exec session ready");
    }
    if (exec->status == ExecStatus::ended)
        co_return fail(ErrorKind::not_found, "exec " + exec->id + " is not running: process already finished");
    if (!exec->spec.tty || !exec->stdin_end) co_return Result<void>{};
    const winsize window{static_cast<unsigned short>(size.rows), static_cast<unsigned short>(size.columns), 0, 0};
    if (ioctl(exec->stdin_end->get(), TIOCSWINSZ, &window) != 0) co_return fail_errno(errno, "resizing the terminal");
    co_return Result<void>{};
}

// From the keeper; streams may still hold something to read.
void ExecService::keeper_exit(const KeeperExit& exit) {
    const auto found = execs_.find(exit.id);
    if (found == execs_.end()) return keeper_.forget(exit.id);
    const int status = exit.wait_status;
    set_ended(found->second, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

// Execs without their keeper: nobody would see them end.
void ExecService::keeper_lost() {
    for (const auto& [id, exec] : execs_) {
        if (!exec->keeper || exec->ended.is_set()) continue;
        syscall(SYS_pidfd_send_signal, exec->pidfd.get(), SIGKILL, nullptr, 0);
        set_ended(exec, 128 + SIGKILL);
    }
}

// Of what is left then, processes in the host's pid namespace are ended, and what was never started is of no use.
void ExecService::container_ended(Container& container) {
    for (const std::string& id : std::vector<std::string>(container.exec_ids)) {
        const auto found = execs_.find(id);
        if (found == execs_.end()) continue;
        const std::shared_ptr<Exec> exec = found->second;
        if (exec->status == ExecStatus::created) drop(id);
        if (exec->pidfd) syscall(SYS_pidfd_send_signal, exec->pidfd.get(), SIGKILL, nullptr, 0);
    }
}

// Nobody can ask for its execs any more. One that still runs is forgotten with its end.
void ExecService::container_removed(Container& container) {
    if (!container.had_execs) return;
    std::erase_if(ended_, [&](const auto& exec) { return exec->container.get() == &container; });
    std::erase_if(execs_, [&](const auto& entry) {
        const Exec& exec = *entry.second;
        return exec.container.get() == &container && (!exec.live() || exec.status == ExecStatus::created);
    });
}

// From here on inspect says so. An exit code that a failed start has set stays.
void ExecService::set_ended(const std::shared_ptr<Exec>& exec, int exit_code) {
    if (exec->live()) {
        exec->exit_code = exit_code;
        exec->status = ExecStatus::ended;
        exec->ended_at = reactor::Loop::current().now();
        std::erase(exec->container->exec_ids, exec->id);
        keep(exec);
    }
    exec->ready.set();
    exec->ended.set();
}

void ExecService::keep(const std::shared_ptr<Exec>& ended) {
    if (ended->container->removed.is_set()) {
        execs_.erase(ended->id);
        return;
    }
    ended_.push_back(ended);
    if (ended_.size() > kExecsEndedMax) {
        execs_.erase(ended_.front()->id);
        ended_.pop_front();
    }
    if (!collecting_) scope_.spawn("exec records", collect());
}

// Gives back what a running exec holds; whatever was reached.
void ExecService::release(Exec& exec) {
    if (exec.output) exec.output->end();
    exec.output_stop.request_stop();
    exec.stdin_end.reset();
    exec.output.reset();
    exec.pidfd.reset();
    if (std::exchange(exec.keeper, false)) keeper_.forget(exec.id);
}

void ExecService::drop(const std::string& id) {
    const auto found = execs_.find(id);
    if (found == execs_.end()) return;
    std::erase(found->second->container->exec_ids, id);
    found->second->ready.set();
    execs_.erase(found);
}

// Records of execs that ended are kept a while, and not more than so many.
Task<void> ExecService::collect() {
    collecting_ = true;
    while (!ended_.empty()) {
        const Nanoseconds due = ended_.front()->ended_at + exec_kept_after;
        auto slept = co_await reactor::sleep_until(due, scope_.token());
        if (!slept) break;
        while (!ended_.empty() && ended_.front()->ended_at + exec_kept_after <= reactor::Loop::current().now()) {
            execs_.erase(ended_.front()->id);
            ended_.pop_front();
        }
    }
    collecting_ = false;
    co_return Result<void>{};
}

void ExecService::publish(const Exec& exec, std::string_view action, int exit_code) {
    EventAttributes attributes{{"execID", exec.id}};
    if (exit_code >= 0) attributes["exitCode"] = std::to_string(exit_code);
    containers_.publish(*exec.container, action, std::move(attributes));
}

void ExecService::publish_start(const Exec& exec) { publish(exec, "exec_start: " + command_of(exec.spec)); }

}  // namespace engine::runtime
