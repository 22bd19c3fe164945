// One start, in one pass: cheap refusals, rootfs, stdio, the child's whole plan, clone, report, supervise. release() in
// container_service.cc undoes whatever was reached.
#include <fcntl.h>
#include <pty.h>
#include <sys/stat.h>

#include <csignal>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/child_report.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/launch_input.h"
#include "engine/runtime/stdio.h"

namespace engine::runtime {
namespace {

Result<Stdio> make_terminal() {
    Stdio stdio;
    int master = -1;
    int slave = -1;
    if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return fail_errno(errno, "making a terminal");
    stdio.in.reset(master);
    stdio.child_in.reset(slave);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    stdio.out.reset(fcntl(master, F_DUPFD_CLOEXEC, 3));
    if (!stdio.out) return fail_errno(errno, "making a terminal");
    return stdio;
}

Result<Stdio> make_pipes(bool open_stdin) {
    Stdio stdio;
    if (open_stdin) {
        TRY(auto in, make_pipe());
        stdio.child_in = std::move(in.read_end);
        stdio.in = std::move(in.write_end);
    }
    TRY(auto out, make_pipe());
    TRY(auto err, make_pipe());
    stdio.child_out = std::move(out.write_end);
    stdio.out = std::move(out.read_end);
    stdio.child_err = std::move(err.write_end);
    stdio.err = std::move(err.read_end);
    return stdio;
}

// Its terminal is made by the child, or here; without one there are pipes.
Result<Stdio> make_stdio(const LaunchInput& input) {
    if (!input.tty) return make_pipes(input.open_stdin);
    return makes_own_terminal(input) ? Stdio() : make_terminal();
}

// All borrowed.
KeeperStart keeper_start(const Container& c, std::string_view plan, const Stdio& stdio, int status, int netns) {
    KeeperStart request;
    request.id = c.id;
    request.plan = plan;
    request.child_stdin = stdio.child_in.get();
    request.child_stdout = stdio.child_out.get();
    request.child_stderr = stdio.child_err.get();
    request.status = status;
    request.netns = netns;
    request.held_stdin = stdio.in.get();
    request.held_stdout = c.spec.tty ? -1 : stdio.out.get();
    request.held_stderr = stdio.err.get();
    return request;
}

}  // namespace

Task<void> ContainerService::start(std::string_view reference) {
    CO_TRY(auto container, find(reference));
    auto started = co_await start_found(container);
    co_return started;
}

Task<void> ContainerService::start_found(std::shared_ptr<Container> container) {
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->state.status == ContainerStatus::paused)
        co_return fail(ErrorKind::conflict, "cannot start a paused container, try unpause instead");
    if (container->active()) co_return fail(ErrorKind::not_modified, "container is already running");
    ContainerState& state = container->state;
    state.restarts = 0;
    state.restart_pause = 0;
    state.manually_stopped = state.restart_canceled = false;
    auto started = co_await start_locked(container);
    co_return started;
}

// With the container's lane held: asked for by somebody, or by the restart policy.
Task<void> ContainerService::start_locked(std::shared_ptr<Container> container) {
    if (container->removed.is_set()) co_return fail(ErrorKind::not_found, "No such container: " + container->id);
    if (container->removing)
        co_return fail(ErrorKind::conflict, "container is marked for removal and cannot be started");
    while (container->leaving) {
        CO_TRY_VOID(co_await container->left.wait());
    }
    auto started = co_await start_process(container);
    if (started) co_return Result<void>{};
    release(container);
    if (container->log) container->log->close();
    ContainerState& state = container->state;
    // As dockerd: what never ran is still as it was created, with the error beside it.
    state.status = state.started_at == 0 ? ContainerStatus::created : ContainerStatus::exited;
    state.error = started.error().message();
    state.exit_code = container->start_failure;
    state.start_again = false;
    state.restart_at = 0;
    save_state(*container);
    // Those who wait for the next exit go on waiting, as at dockerd: there was no run.
    while (Attachment* early = container->early.pop_front()) early->end();
    if (container->spec.auto_remove && !container->removing) remove_soon(container);
    co_return fail(std::move(started.error()));
}

// A run that the next engine would not know of must not be: it is ended when its row cannot be written.
Task<void> ContainerService::record_running(std::shared_ptr<Container> container) {
    const ContainerState before = container->state;
    container->state.status = ContainerStatus::running;
    container->state.started_at = realtime_ns();
    container->state.exit_code = 0;
    container->state.restart_at = container->state.kill_at = 0;
    container->state.start_again = false;
    auto saved = try_save_state(*container);
    if (saved) co_return saved;
    ignore_result(send_signal(*container, SIGKILL), "its end is waited for either way");
    container->state = before;
    CO_TRY_VOID(co_await container->keeper_exit.wait());
    co_return saved;
}

LaunchContext ContainerService::launch_context(const Container& c, const NetworkReady& network) const {
    LaunchContext context;
    context.cgroups = &cgroups_;
    context.cgroup_parent = options_.cgroup_parent;
    context.data_root = options_.data_root;
    context.mount_point = options_.data_root + "/rootfs";
    context.container_directory = directory_of(c);
    context.init_binary = options_.init_path;
    context.host_network = network.host;
    context.own_netns = static_cast<bool>(network.netns);
    context.network_files = network.files_of.empty() ? context.container_directory : network.files_of;
    context.hostname = network.hostname;
    context.domainname = network.domainname;
    return context;
}

Task<void> ContainerService::start_process(std::shared_ptr<Container> container) {
    Container& c = *container;
    c.start_failure = exit_code_start_failed;
    c.state.oom_killed = false;
    c.state.error.clear();
    ++c.run;
    c.keeper_exit.clear();
    CO_TRY(auto rootfs, co_await images_.prepare_rootfs(c.id, c.image_id));
    CO_TRY(const auto network, co_await prepare_network(container));
    LaunchContext context = launch_context(c, network);
    CO_TRY(const auto wish, seccomp_wish(c.spec));
    if (wish.confined) {
        CO_TRY(const auto filter, co_await seccomp_filter(wish));
        context.seccomp_filter = *filter;
    }
    CO_TRY(auto input, make_launch_input(c, rootfs, context));
    CO_TRY(auto plan, make_launch_plan(input));
    CO_TRY(auto stdio, make_stdio(input));
    const bool sends_terminal = makes_own_terminal(input);
    CO_TRY(auto status, make_status(sends_terminal));
    CO_TRY(auto log, begin_log(c));
    c.held.cgroups = true;
    const KeeperStart request = keeper_start(c, plan, stdio, status.write_end.get(), network.netns.get());
    CO_TRY(auto started, co_await keeper_.start(request));
    c.held.keeper = true;
    c.held.pidfd = std::move(started.pidfd);
    c.state.pid = started.pid;
    stdio.child_in.reset();
    stdio.child_out.reset();
    stdio.child_err.reset();
    status.write_end.reset();
    const reactor::StopToken never;
    CO_TRY(auto report, co_await read_report(status.read_end.get(), sends_terminal, never));
    if (report.terminal) {
        stdio.in = std::move(report.terminal);
        keeper_.hold_terminal(c.id, stdio.in.get());
        stdio.out.reset(fcntl(stdio.in.get(), F_DUPFD_CLOEXEC, 3));
        CO_TRY(report, co_await read_report(status.read_end.get(), sends_terminal, never));
    }
    if (!report.done) {
        CO_TRY_VOID(co_await c.keeper_exit.wait());
        const LaunchError error = describe_failure(plan, report.record);
        c.start_failure = error.exit_code;
        co_return fail(ErrorKind::invalid, error.message);
    }
    CO_TRY_VOID(co_await record_running(container));
    if (stdio.in) c.held.stdin_end = std::make_shared<UniqueFd>(std::move(stdio.in));
    c.held.output = std::make_shared<Output>(std::move(log), c.spec.tty);
    while (Attachment* early = c.early.pop_front()) c.held.output->attach(early);
    publish(c, "start");
    scope_.spawn("container", pump_all(c.held.output, std::move(stdio.out), std::move(stdio.err)));
    scope_.spawn("supervisor", supervise(container));
    c.started.notify_all();
    co_return Result<void>{};
}

}  // namespace engine::runtime
