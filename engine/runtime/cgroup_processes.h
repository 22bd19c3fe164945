// Who is in a container's control group, and in the groups it has made below it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/task.h"
#include "engine/runtime/linux/cgroup.h"

namespace engine::runtime {

// In the numbers of the engine's pid namespace; a group that is gone has nobody.
Task<std::vector<int>> container_processes(const CgroupHost& host, std::string_view parent, std::string_view id);

}  // namespace engine::runtime
