// What `docker exec CONTAINER true` costs the kernel: a process cloned into the container's pid namespace, attached to
// its cgroups and joined to its other namespaces, without privileges it has no use for, that runs and is waited for.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/floor.h"

namespace floor_bench {

[[noreturn]] void Floor::exec_child(int idle_pidfd, const std::string& group) const {
    for (const auto& h : hierarchies) must(write_file(h.parent + "/" + group + "/cgroup.procs", "0"), h.parent.c_str());
    setsid();
    constexpr int kJoined = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
    must(setns(idle_pidfd, kJoined) == 0, "setns");
    umask(022);
    drop_capabilities();
    char name[] = "true";
    char path[] = "PATH=/bin";
    char* argv[] = {name, nullptr};
    char* envp[] = {path, nullptr};
    execve("/bin/true", argv, envp);
    die("execve");
}

std::int64_t Floor::exec(pid_t idle, int idle_pidfd, int group) const {
    must(kill(idle, 0) == 0, "the container");
    const std::int64_t begin = now_ns();
    must(setns(idle_pidfd, CLONE_NEWPID) == 0, "setns");
    const long pid = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) exec_child(idle_pidfd, std::to_string(group));
    must(pid > 0, "clone");
    int status = 0;
    must(waitpid(static_cast<pid_t>(pid), &status, 0) == pid && status == 0, "exec failed");
    return now_ns() - begin;
}

}  // namespace floor_bench
