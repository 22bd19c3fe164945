// From what an exec should be to the bytes its child replays. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/process_plan.h"

namespace engine::runtime {

struct ExecInput : ProcessInput {
    bool tty = false;
    unsigned rows = 0, columns = 0;         // of the terminal; 0x0: the kernel's default
    std::vector<std::string> cgroups;       // v1: the container's group in each hierarchy; v2: its only one
    bool cgroup_v2 = false;
};

Result<std::string> make_exec_plan(const ExecInput& input);

// As runc under dockerd says it, and the exit code that dockerd makes of these words.
LaunchError describe_exec_failure(std::string_view plan, const LaunchFailure& failure);

}  // namespace engine::runtime
