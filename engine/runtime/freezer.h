// Stopping and going on with everything in a control group at once: v1's freezer, v2's cgroup.freeze. On the ring: the
// kernel may make a writer of these files wait for others.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/task.h"
#include "engine/runtime/linux/cgroup.h"

namespace engine::runtime {

// The freezer's group of a container; "" on a host without one.
std::string freezer_directory(const CgroupHost& host, std::string_view parent, std::string_view id);

// Returns when every process has stopped. What cannot be stopped in time goes on, and that is the error.
Task<void> freeze(std::string directory, bool v2);
Task<void> thaw(std::string directory, bool v2);
// At once, whatever is there: so that what is killed can die.
void thaw_now(const CgroupHost& host, std::string_view parent, std::string_view id);
Task<bool> is_frozen(std::string directory, bool v2);

}  // namespace engine::runtime
