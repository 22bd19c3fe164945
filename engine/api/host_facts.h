// What /version and /info tell of the host, read from the kernel when asked.
#pragma once

#include <cstdint>
#include <string>

namespace engine::api {

struct KernelFacts {
    std::string release;    // uname -r
    std::string build;      // uname -v
    std::string machine;    // uname -m
    std::string go_machine; // amd64, arm64, ...: as Docker names it
};
KernelFacts kernel_facts();

struct OsFacts {
    std::string pretty_name;  // PRETTY_NAME of os-release
    std::string version_id;
};
const OsFacts& os_facts();    // read once

struct ControllerFacts {
    bool memory = false, swap = false, cpu_shares = false, cpu_quota = false, cpuset = false, pids = false;
    bool oom_kill_disable = false;
};
const ControllerFacts& controller_facts(int cgroup_version);   // probed once

std::int64_t memory_total();     // bytes
bool bridge_netfilter(bool ipv6);
bool ipv4_forwarding();
int open_descriptors();          // of this process

}  // namespace engine::api
