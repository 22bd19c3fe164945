// From a container to the launch plan's input: the only place where Docker's options become namespaces, mounts and limits.
#pragma once

#include "engine/runtime/container.h"
#include "engine/runtime/linux/cgroup.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/seccomp.h"
#include "engine/storage/storage_backend.h"

namespace engine::runtime {

struct LaunchContext {
    const CgroupHost* cgroups = nullptr;
    SeccompCache* seccomp = nullptr;
    std::string cgroup_parent;
    std::string data_root;
    std::string mount_point;     // where the child mounts a rootfs before it pivots
    std::string container_directory;
};

Result<LaunchInput> make_launch_input(const Container& container, const storage::RootfsPlan& rootfs,
                                      const LaunchContext& context);

}  // namespace engine::runtime
