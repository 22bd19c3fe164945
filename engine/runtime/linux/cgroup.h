// Control groups: what this host has, where a container's groups are, what its limits are spelled like in v1 and v2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/linux/device_rules.h"
#include "engine/runtime/linux/launch_plan.h"

namespace engine::runtime {

struct CgroupHierarchy {
    std::string mount_point;               // /sys/fs/cgroup/cpu,cpuacct
    std::string mount_name;                // cpu,cpuacct
    std::string options;                   // mount data: "cpu,cpuacct" or "none,name=systemd"
    std::vector<std::string> controllers;  // {"cpu", "cpuacct"}; empty for a named one
};

struct CgroupHost {
    bool v2 = false;                          // unified only; a hybrid host counts as v1
    std::vector<CgroupHierarchy> hierarchies;  // v2: exactly one
    bool device_rules = false;                // v1: the controller is there; v2: the kernel takes programs

    bool has(std::string_view controller) const;
};

// From the text of /proc/self/mountinfo.
CgroupHost parse_cgroup_mounts(std::string_view mountinfo);
Result<CgroupHost> detect_cgroups();

// 0 means not set, -1 unlimited where Docker knows that.
struct CgroupLimits {
    int64_t memory = 0;
    int64_t memory_swap = 0;  // memory and swap together, as in Docker's API
    int64_t cpu_shares = 0;
    int64_t cpu_quota = 0;
    int64_t cpu_period = 0;
    int64_t pids = 0;
    int64_t memory_reservation = 0;
    int64_t memory_swappiness = -1;  // -1: not set
    bool oom_kill_disable = false;
    int64_t blkio_weight = 0;        // 10..1000
    std::string cpuset_cpus, cpuset_mems;
    bool every_device = true;              // no rules (privileged); else only these
    std::vector<DeviceRule> devices;
};

// Once, before the first start: the parent exists, its cpuset is filled (v1), its controllers are on for children (v2).
Result<void> prepare_cgroup_parent(const CgroupHost& host, std::string_view parent);

// For LaunchInput::cgroups. Pure.
std::vector<LaunchCgroup> container_cgroups(const CgroupHost& host, std::string_view parent, std::string_view id,
                                            const CgroupLimits& limits);

// What has to be written to the groups of a run that was started with `from`, so that `to` holds. Pure.
std::vector<LaunchCgroupWrite> limit_changes(const std::vector<LaunchCgroup>& from,
                                             const std::vector<LaunchCgroup>& to);

// The directories that a start with container_cgroups() makes; to be removed after the last process is gone.
std::vector<std::string> container_cgroup_directories(const CgroupHost& host, std::string_view parent,
                                                      std::string_view id);

// Ends every process in the group; what is not there is fine.
void kill_cgroup(const std::string& directory);

// How often the kernel killed a process of the container for want of memory; 0 where it does not tell.
int64_t oom_kills(const CgroupHost& host, std::string_view parent, std::string_view id);

}  // namespace engine::runtime
