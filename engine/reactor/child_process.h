// A short-lived child (a worker): started with exactly the descriptors it is given, awaited through its pidfd on the
// ring.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "engine/reactor/io.h"

namespace engine::reactor {

struct FdMapping {
    int ours;     // borrowed
    int theirs;   // its number in the child
};

struct ExitStatus {
    int code = 0;     // exit code, when signal == 0
    int signal = 0;   // the signal that ended it, else 0
    bool ok() const { return code == 0 && signal == 0; }
};

class ChildProcess {
public:
    // argv[0] is the path executed. The child gets stdin/stdout/stderr from /dev/null unless mapped, no other
    // descriptor of ours (all are close-on-exec), an environment of `environment` only, and default signal
    // dispositions.
    static Result<ChildProcess> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                      std::span<const FdMapping> descriptors);
    ChildProcess(ChildProcess&&) noexcept = default;
    ChildProcess& operator=(ChildProcess&&) noexcept = default;
    // An unreaped child is killed and reaped: nobody leaves one behind.
    ~ChildProcess();

    pid_t pid() const { return pid_; }
    bool reaped() const { return !pidfd_; }
    // Waits for its end. When `stop` fires the child is killed, and its end still awaited.
    Task<ExitStatus> wait(StopToken stop = {});
    void kill(int signal);

private:
    ChildProcess(pid_t pid, UniqueFd pidfd) : pidfd_(std::move(pidfd)), pid_(pid) {}
    UniqueFd pidfd_;
    pid_t pid_ = -1;
};

}  // namespace engine::reactor
