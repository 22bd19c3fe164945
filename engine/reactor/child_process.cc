#include "engine/reactor/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>

#include "engine/reactor/try.h"

namespace engine::reactor {
namespace {

ExitStatus status_of(const siginfo_t& info) {
    ExitStatus status;
    if (info.si_code == CLD_EXITED) {
        status.code = info.si_status;
    } else {
        status.signal = info.si_status;
    }
    return status;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

// The descriptors are put in place one after the other: none of ours may have a number that is the child's of another.
Result<std::vector<UniqueFd>> move_apart(std::vector<FdMapping>& mappings) {
    int above = 0;
    for (const FdMapping& mapping : mappings) above = std::max(above, mapping.theirs + 1);
    std::vector<UniqueFd> duplicates;
    for (FdMapping& mapping : mappings) {
        if (mapping.ours >= above || mapping.ours == mapping.theirs) continue;
        duplicates.emplace_back(fcntl(mapping.ours, F_DUPFD_CLOEXEC, above));
        if (!duplicates.back()) return fail_errno(errno, "moving a descriptor");
        mapping.ours = duplicates.back().get();
    }
    return duplicates;
}

}  // namespace

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& argv,
                                         const std::vector<std::string>& environment,
                                         std::span<const FdMapping> descriptors) {
    std::vector<FdMapping> moved(descriptors.begin(), descriptors.end());
    TRY(const auto spare, move_apart(moved));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    bool standard[3] = {false, false, false};
    for (const FdMapping& mapping : moved) {
        posix_spawn_file_actions_adddup2(&actions, mapping.ours, mapping.theirs);
        if (mapping.theirs < 3) standard[mapping.theirs] = true;
    }
#ifdef __SANITIZE_ADDRESS__  // a sanitizer's report must come to where the engine's own would
    if (!standard[2]) posix_spawn_file_actions_adddup2(&actions, 2, 2);
    standard[2] = true;
#endif
    for (int fd = 0; fd < 3; ++fd)
        if (!standard[fd]) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    auto arguments = pointers(argv);
    auto variables = pointers(environment);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, arguments.data(), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail_errno(error, "starting " + argv[0]);
    UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    const int pidfd_error = errno;
    ChildProcess child(pid, std::move(pidfd));
    if (!child.pidfd_) return fail_errno(pidfd_error, "pidfd_open");
    return child;
}

ChildProcess::~ChildProcess() {
    if (!pidfd_) return;
    kill(SIGKILL);
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
}

void ChildProcess::kill(int signal) {
    if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

Task<ExitStatus> ChildProcess::wait(StopToken stop) {
    CHECK(static_cast<bool>(pidfd_));
    auto ended = co_await io::poll(pidfd_.get(), POLLIN, stop);
    if (!ended) {
        kill(SIGKILL);
        CO_TRY(auto events, co_await io::poll(pidfd_.get(), POLLIN));
        CHECK(events != 0);
    }
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) != 0) co_return fail_errno(errno, "waitid");
    pidfd_.reset();
    co_return status_of(info);
}

}  // namespace engine::reactor
