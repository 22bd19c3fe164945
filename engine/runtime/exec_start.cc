// One start of an exec, in one pass: the plan, the streams, the keeper's clone, the child's report; then whoever shares
// its streams. ExecService::release undoes whatever was reached.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "engine/reactor/try.h"
#include "engine/runtime/child_report.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/detach_keys.h"
#include "engine/runtime/exec_body.h"
#include "engine/runtime/exec_service.h"
#include "engine/runtime/launch_input.h"
#include "engine/runtime/linux/exec_plan.h"
#include "engine/runtime/stdin_copy.h"
#include "engine/runtime/stdio.h"

namespace engine::runtime {
namespace {

constexpr Nanoseconds drain_max = 2 * second;  // others may hold the streams open: as dockerd waits
constexpr Nanoseconds dying_max = 500 * millisecond;
constexpr int exit_code_not_started = 126;

// Asked of the kernel, which knows before the container's state does.
bool run_is_over(const Exec& exec) {
    const Container& container = *exec.container;
    if (!container.running() || container.run != exec.run) return true;
    pollfd first{container.held.pidfd.get(), POLLIN, 0};
    return ::poll(&first, 1, 0) == 1 && (first.revents & POLLIN) != 0;
}

// A first process on its way out takes no other into its namespaces (ENOMEM of the clone, ESRCH of the join); its pidfd
// tells a moment later.
Task<bool> run_ends_now(const Exec* exec) {
    if (run_is_over(*exec)) co_return true;
    reactor::Deadline deadline(dying_max);
    auto events = co_await io::poll(exec->container->held.pidfd.get(), POLLIN, deadline.token());
    co_return events.has_value() || run_is_over(*exec);
}

// Only streams that somebody listens to; a terminal is the child's own matter.
Result<Stdio> make_streams(const ExecSpec& spec, const ExecClient& client) {
    Stdio stdio;
    if (spec.tty) return stdio;
    if (spec.attach_stdin && client.input != nullptr) {
        TRY(auto in, make_pipe());
        stdio.child_in = std::move(in.read_end);
        stdio.in = std::move(in.write_end);
    }
    if (spec.attach_stdout && client.output != nullptr) {
        TRY(auto out, make_pipe());
        stdio.child_out = std::move(out.write_end);
        stdio.out = std::move(out.read_end);
    }
    if (spec.attach_stderr && client.output != nullptr) {
        TRY(auto err, make_pipe());
        stdio.child_err = std::move(err.write_end);
        stdio.err = std::move(err.read_end);
    }
    return stdio;
}

Result<UniqueFd> make_note(const Exec& exec) {
    const std::string text = exec_note_text(exec.container->id, exec.spec);
    UniqueFd file(memfd_create("exec", MFD_CLOEXEC));
    if (!file) return fail_errno(errno, "memfd_create");
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, "writing the exec's note");
    return file;
}

}  // namespace

Task<void> ExecService::start(std::shared_ptr<Exec> exec, std::optional<TerminalSize> size, ExecClient client) {
    if (exec->status == ExecStatus::ended)
        co_return fail(ErrorKind::conflict, "Error: Exec command " + exec->id + " has already run");
    if (exec->status != ExecStatus::created)
        co_return fail(ErrorKind::conflict, "Error: Exec command " + exec->id + " is already running");
    exec->status = ExecStatus::starting;
    if (size) exec->spec.console_size = size;
    publish_start(*exec);
    auto started = co_await start_process(exec, client);
    if (!started) {
        set_ended(exec, exit_code_not_started);
        release(*exec);
        co_return fail(std::move(started.error()));
    }
    Attachment attachment(exec->spec.attach_stdout, exec->spec.attach_stderr && client.framed, client.framed);
    if (client.output != nullptr) exec->output->attach(&attachment);
    scope_.spawn("exec streams", pump_all(exec, std::move(started->out), std::move(started->err)));
    scope_.spawn("exec", supervise(exec));
    if (client.output == nullptr) co_return Result<void>{};
    auto shared = co_await share(exec, client, &attachment);
    co_return shared;
}

Task<ExecStreams> ExecService::start_process(std::shared_ptr<Exec> exec, const ExecClient& client) {
    Exec& e = *exec;
    CO_TRY(const auto plan, co_await make_plan(exec));
    CO_TRY(auto stdio, make_streams(e.spec, client));
    CO_TRY(auto status, make_status(e.spec.tty));
    CO_TRY(const auto note, make_note(e));
    KeeperExec request;
    request.id = e.id;
    request.container = e.container->id;
    request.plan = plan;
    request.child_stdin = stdio.child_in.get();
    request.child_stdout = stdio.child_out.get();
    request.child_stderr = stdio.child_err.get();
    request.status = status.write_end.get();
    request.held_stdin = stdio.in.get();
    request.held_stdout = stdio.out.get();
    request.held_stderr = stdio.err.get();
    request.note = note.get();
    auto asked = co_await keeper_.exec(request);
    if (!asked && asked.error().error_number() == ENOMEM) {
        CO_TRY(const bool over, co_await run_ends_now(&e));
        if (over) co_return fail(ErrorKind::conflict, "container " + e.container->id + " is not running");
    }
    CO_TRY(auto started, std::move(asked));
    e.keeper = true;
    e.pidfd = std::move(started.pidfd);
    e.pid = started.pid;
    stdio.child_in.reset();
    stdio.child_out.reset();
    stdio.child_err.reset();
    status.write_end.reset();
    CO_TRY(auto report, co_await read_report(status.read_end.get(), e.spec.tty, scope_.token()));
    if (report.terminal) {
        stdio.in = std::move(report.terminal);
        keeper_.hold_terminal(e.id, stdio.in.get());
        stdio.out.reset(fcntl(stdio.in.get(), F_DUPFD_CLOEXEC, 3));
        CO_TRY(report, co_await read_report(status.read_end.get(), e.spec.tty, scope_.token()));
    }
    if (!report.done) {
        CO_TRY_VOID(co_await e.ended.wait(scope_.token()));
        const LaunchError error = describe_exec_failure(plan, report.record);
        e.exit_code = error.exit_code;
        bool over = run_is_over(e);
        if (!over && report.record.error == ESRCH) {
            CO_TRY(over, co_await run_ends_now(&e));
        }
        if (over) co_return fail(ErrorKind::conflict, "container " + e.container->id + " is not running");
        const bool known = error.exit_code == 126 || error.exit_code == 127;
        co_return fail(known ? ErrorKind::invalid : ErrorKind::internal, error.message);
    }
    if (stdio.in) e.stdin_end = std::make_shared<UniqueFd>(std::move(stdio.in));
    e.output = std::make_shared<Output>(nullptr, e.spec.tty);
    if (e.status == ExecStatus::starting) e.status = ExecStatus::running;
    e.ready.set();
    co_return ExecStreams{std::move(stdio.out), std::move(stdio.err)};
}

Task<std::string> ExecService::make_plan(std::shared_ptr<Exec> exec) {
    const Container& container = *exec->container;
    CO_TRY(auto input, make_exec_input(container, exec->spec));
    CO_TRY(const auto wish, seccomp_wish(container.spec));
    if (wish.confined) {
        CO_TRY(const auto filter, co_await containers_.seccomp_filter(wish));
        input.seccomp_bpf = *filter;
    }
    input.cgroups = containers_.cgroup_directories(container);
    input.cgroup_v2 = containers_.cgroup_host().v2;
    co_return make_exec_plan(input);
}

// Until the output ends, the client fails or leaves, or the detach keys come.
Task<void> ExecService::share(std::shared_ptr<Exec> exec, const ExecClient& client, Attachment* attachment) {
    reactor::StopSource leaving(client.stop);
    reactor::Scope input_scope("exec input", leaving.token());
    bool detached = false;
    if (exec->spec.attach_stdin && client.input != nullptr && exec->stdin_end)
        input_scope.spawn("exec stdin", copy_input(exec, client.input, &leaving, &detached));
    auto copied = co_await attachment->copy_to(client.output, leaving.token());
    attachment->unlink();
    leaving.request_stop();
    if (client.end_input) client.end_input();
    CO_TRY_VOID(co_await input_scope.join());
    if (detached) co_return Result<void>{};
    co_return copied;
}

Task<void> ExecService::copy_input(std::shared_ptr<Exec> exec, ByteSource* input, reactor::StopSource* leaving,
                                   bool* detached) {
    std::string keys = exec->spec.detach_keys;
    if (keys.empty()) {
        CO_TRY(keys, parse_detach_keys(""));
    }
    DetachMatcher matcher(std::move(keys));
    DetachMatcher* const watched = exec->spec.tty ? &matcher : nullptr;
    std::shared_ptr<UniqueFd> to = exec->stdin_end;
    auto ended = co_await copy_stdin(input, to, watched, leaving->token());
    to.reset();
    if (ended && *ended == StdinEnd::detached) {
        *detached = true;
        publish(*exec, "exec_detach");
        leaving->request_stop();
    }
    // The client shut its side down or is gone: nobody will type any more. A terminal has no half-close; of a pipe we
    // hold the last write ends.
    const bool over = !*detached && !scope_.token().stop_requested();
    if (over && !exec->spec.tty && exec->stdin_end) {
        exec->stdin_end.reset();
        keeper_.close_stdin(exec->id);
    }
    co_return Result<void>{};
}

Task<void> ExecService::pump_all(std::shared_ptr<Exec> exec, UniqueFd out, UniqueFd err) {
    const std::shared_ptr<Output> output = exec->output;
    reactor::Scope streams("exec streams");
    exec->output_stop.follow(scope_.token());
    const reactor::StopToken stop = exec->output_stop.token();
    if (out) streams.spawn("stdout", output->pump(std::move(out), LogStream::stdout_, stop));
    if (err) streams.spawn("stderr", output->pump(std::move(err), LogStream::stderr_, stop));
    CO_TRY_VOID(co_await streams.join());
    output->drained().set();
    co_return Result<void>{};
}

// When the engine stops first, the keeper has everything for the next one.
Task<void> ExecService::supervise(std::shared_ptr<Exec> exec) {
    CO_TRY_VOID(co_await exec->ended.wait(scope_.token()));
    const std::shared_ptr<Output> output = exec->output;
    reactor::Deadline deadline(drain_max, scope_.token());
    auto drained = co_await output->drained().wait(deadline.token());
    if (!drained && scope_.token().stop_requested()) co_return Result<void>{};
    release(*exec);
    publish(*exec, "exec_die", exec->exit_code);
    co_return Result<void>{};
}

}  // namespace engine::runtime
