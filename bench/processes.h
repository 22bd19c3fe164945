// What an engine's processes cost: who they are, their memory and their processor time, read from /proc.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

// ROOTS, their descendants that are not inside a container, and helpers that detach themselves (containerd-shim,
// conmon, dockercd-keeper), except those already in KNOWN_BEFORE.
std::vector<pid_t> engine_processes(const std::vector<pid_t>& roots, const std::vector<pid_t>& known_before);
std::vector<pid_t> detached_helpers();
double pss_kib(const std::vector<pid_t>& pids);
long cpu_ticks(const std::vector<pid_t>& pids);
pid_t listener_pid(const std::string& socket_path);

}  // namespace bench
