// The keeper's child between clone and execve.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/runtime/linux/keeper_protocol.h"

namespace engine::runtime {

struct ChildFds {
    int in = -1, out = -1, err = -1;  // -1: /dev/null
    int status = -1;
    int target = -1;  // START: the network namespace; EXEC: a pidfd of the container's first process
};

// Replays a valid plan and becomes the container's first process. Reports the failing operation on fds.status.
[[noreturn]] void launch_child(const char* plan, size_t size, const ChildFds& fds);

// The operations marked kOpInKeeper, before the clone. cgroup_fd: the directory to clone into, or -1.
// Returns 0 or an errno, with `failure` filled.
int launch_in_keeper(const char* plan, size_t size, int& cgroup_fd, LaunchFailure& failure);

}  // namespace engine::runtime
