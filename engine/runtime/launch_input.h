// From a container to the launch plan's input: the only place where Docker's options become namespaces, mounts and
// limits.
#pragma once

#include "engine/runtime/container.h"
#include "engine/runtime/exec.h"
#include "engine/runtime/linux/cgroup.h"
#include "engine/runtime/linux/exec_plan.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/storage/storage_backend.h"

namespace engine::runtime {

struct LaunchContext {
    const CgroupHost* cgroups = nullptr;
    std::string seccomp_filter;  // for seccomp_wish(); empty: unconfined
    std::string cgroup_parent;
    std::string data_root;
    std::string mount_point;     // where the child mounts a rootfs before it pivots
    std::string container_directory;
    std::string init_binary;     // what `--init` puts at /sbin/docker-init
    std::string network_files;   // directory of hosts, hostname and resolv.conf
    std::string hostname, domainname;  // of a shared network namespace; "": the container's own
    bool host_network = false;
    bool own_netns = false;      // the namespace is sent along
};

CgroupLimits limits_of(const ContainerSpec& spec);

// Which filter the container needs.
struct SeccompWish {
    bool confined = true;
    std::string profile;  // Docker's JSON; "" for the default one
    std::uint64_t capabilities = 0;
};
Result<SeccompWish> seccomp_wish(const ContainerSpec& spec);

// A further process of a running container: seccomp filter and control groups are the caller's to fill in.
Result<ExecInput> make_exec_input(const Container& container, const ExecSpec& exec);

Result<LaunchInput> make_launch_input(const Container& container, const storage::RootfsPlan& rootfs,
                                      const LaunchContext& context);

}  // namespace engine::runtime
