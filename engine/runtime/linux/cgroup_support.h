// Which limits the kernel of this host knows. Read once; the parent group must be there.
#pragma once

#include <string>
#include <string_view>

#include "engine/runtime/linux/cgroup.h"

namespace engine::runtime {

struct CgroupSupport {
    bool memory = false, swap = false, reservation = false, swappiness = false, oom_kill_disable = false;
    bool cpu_shares = false, cpu_cfs = false, cpuset = false, pids = false, blkio_weight = false;
    std::string cpus, mems;   // those that a set may name: "0-3"
};

CgroupSupport detect_cgroup_support(const CgroupHost& host, std::string_view parent);

// "0-2,5" as numbers, each at most `most`; none: not such a list.
bool parse_cpu_list(std::string_view text, std::string& bits);
// Every member of `wanted` is in `available`. Both are lists.
bool cpu_list_within(std::string_view wanted, std::string_view available);

}  // namespace engine::runtime
