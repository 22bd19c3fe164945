// top: the host's `ps` run over the container's processes.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/reactor/child_process.h"
#include "engine/reactor/try.h"
#include "engine/runtime/cgroup_processes.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/ps_output.h"

namespace engine::runtime {
namespace {

struct PsRun {
    reactor::ExitStatus status;
    std::string output;
    std::string errors;
};

// Output goes to memory of its own: nobody has to read while ps writes.
Result<UniqueFd> memory_file(const char* name) {
    UniqueFd fd(memfd_create(name, MFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "memfd_create");
    return fd;
}

Result<std::string> contents(int fd) {
    struct stat facts {};
    if (fstat(fd, &facts) != 0) return fail_errno(errno, "fstat");
    if (facts.st_size > static_cast<off_t>(kPsOutputBytes))
        return fail(ErrorKind::too_large, "ps printed more than " + std::to_string(kPsOutputBytes) + " bytes");
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    const ssize_t got = pread(fd, text.data(), text.size(), 0);
    if (got < 0) return fail_errno(errno, "reading what ps printed");
    text.resize(static_cast<std::size_t>(got));
    return text;
}

Result<std::string> find_ps() {
    const char* variable = getenv("PATH");
    std::string_view path = variable ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (!path.empty()) {
        const std::size_t end = std::min(path.find(':'), path.size());
        std::string candidate = std::string(path.substr(0, end)) + "/ps";
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return fail(ErrorKind::internal, "ps: exec: \"ps\": executable file not found in $PATH");
}

Task<PsRun> run_ps(std::vector<std::string> command, reactor::StopToken stop) {
    CO_TRY(const auto output, memory_file("ps-output"));
    CO_TRY(const auto errors, memory_file("ps-errors"));
    std::vector<std::string> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
    const reactor::FdMapping descriptors[] = {{output.get(), 1}, {errors.get(), 2}};
    CO_TRY(auto child, reactor::ChildProcess::spawn(command, environment, descriptors));
    PsRun run;
    CO_TRY(run.status, co_await child.wait(stop));
    CO_TRY(run.output, contents(output.get()));
    CO_TRY(run.errors, contents(errors.get()));
    co_return run;
}

}  // namespace

Task<ProcessTable> ContainerService::top(std::string_view reference, std::string_view arguments,
                                         reactor::StopToken stop) {
    if (arguments.empty()) arguments = "-ef";
    CO_TRY_VOID(check_ps_arguments(arguments));
    CO_TRY(auto container, find(reference));
    if (container->state.status == ContainerStatus::restarting)
        co_return fail(ErrorKind::conflict,
                       "Container " + container->id + " is restarting, wait until the container is running");
    if (!container->running()) co_return fail(ErrorKind::conflict, "container " + container->id + " is not running");
    CO_TRY(const auto pids, co_await container_processes(cgroups_, options_.cgroup_parent, container->id));
    std::vector<std::string> command = split_ps_arguments(arguments);
    CO_TRY(auto ps, find_ps());
    command.insert(command.begin(), std::move(ps));
    std::vector<std::string> with_pids = command;
    with_pids.push_back(ps_pids_argument(pids));
    CO_TRY(auto run, co_await run_ps(std::move(with_pids), stop));
    // Some options (f) do not go with -q.
    if (!run.status.ok()) {
        CO_TRY(run, co_await run_ps(std::move(command), stop));
    }
    if (!run.status.ok()) {
        const std::string line = run.errors.substr(0, run.errors.find('\n'));
        const std::string why = run.status.signal != 0 ? "signal " + std::to_string(run.status.signal)
                                                       : "exit status " + std::to_string(run.status.code);
        co_return fail(ErrorKind::internal, "ps: " + (line.empty() ? why : line));
    }
    CO_TRY(auto table, parse_ps_output(run.output, pids));
    publish(*container, "top");
    co_return table;
}

}  // namespace engine::runtime
