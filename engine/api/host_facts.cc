#include "engine/api/host_facts.h"

#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace engine::api {
namespace {

std::string go_machine_name(const std::string& machine) {
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    if (machine == "i686" || machine == "i386") return "386";
    if (machine.starts_with("armv")) return "arm";
    return machine;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string unquoted(std::string text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
    return text;
}

bool reads_one(const char* path) {
    int value = 0;
    std::ifstream(path) >> value;
    return value == 1;
}

ControllerFacts probe_v2() {
    ControllerFacts facts;
    std::ifstream file("/sys/fs/cgroup/cgroup.controllers");
    std::string name;
    while (file >> name) {
        if (name == "memory") facts.memory = true;
        if (name == "cpu") facts.cpu_shares = facts.cpu_quota = true;
        if (name == "cpuset") facts.cpuset = true;
        if (name == "pids") facts.pids = true;
    }
    facts.swap = facts.memory && exists("/proc/swaps");
    return facts;
}

ControllerFacts probe_v1() {
    const std::string root = "/sys/fs/cgroup/";
    ControllerFacts facts;
    facts.memory = exists(root + "memory/memory.limit_in_bytes");
    facts.swap = exists(root + "memory/memory.memsw.limit_in_bytes");
    facts.oom_kill_disable = exists(root + "memory/memory.oom_control");
    facts.cpu_shares = exists(root + "cpu/cpu.shares");
    // The root of the hierarchy has no quota file; the kernel's own list says whether there is bandwidth control.
    facts.cpu_quota = facts.cpu_shares;
    facts.cpuset = exists(root + "cpuset/cpuset.cpus");
    facts.pids = exists(root + "pids/cgroup.procs");
    return facts;
}

}  // namespace

KernelFacts kernel_facts() {
    utsname name{};
    uname(&name);
    return {name.release, name.version, name.machine, go_machine_name(name.machine)};
}

const OsFacts& os_facts() {
    static const OsFacts facts = [] {
        OsFacts out;
        std::ifstream file("/etc/os-release");
        std::string line;
        while (std::getline(file, line)) {
            if (line.starts_with("PRETTY_NAME=")) out.pretty_name = unquoted(line.substr(12));
            if (line.starts_with("VERSION_ID=")) out.version_id = unquoted(line.substr(11));
        }
        return out;
    }();
    return facts;
}

const ControllerFacts& controller_facts(int cgroup_version) {
    static const ControllerFacts facts = cgroup_version == 2 ? probe_v2() : probe_v1();
    return facts;
}

std::int64_t memory_total() {
    struct sysinfo info {};
    sysinfo(&info);
    return static_cast<std::int64_t>(info.totalram) * info.mem_unit;
}

bool bridge_netfilter(bool ipv6) {
    return reads_one(ipv6 ? "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
                          : "/proc/sys/net/bridge/bridge-nf-call-iptables");
}

bool ipv4_forwarding() { return reads_one("/proc/sys/net/ipv4/ip_forward"); }

int open_descriptors() {
    DIR* directory = opendir("/proc/self/fd");
    if (!directory) return -1;
    int count = -3;  // ".", ".." and the directory's own
    while (readdir(directory)) ++count;
    closedir(directory);
    return count;
}

}  // namespace engine::api
