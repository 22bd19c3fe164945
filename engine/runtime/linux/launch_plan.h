// From what a container should be to the bytes its child replays. Pure: no system call, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/linux/keeper_protocol.h"
#include "engine/runtime/linux/process_plan.h"

namespace engine::runtime {

enum class Propagation : unsigned char { rprivate, private_, rslave, slave, rshared, shared };

struct LaunchMount {
    enum class Kind : unsigned char { bind, tmpfs };
    Kind kind = Kind::bind;
    std::string source;  // bind: absolute host path, exists
    std::string destination;
    std::string options;  // tmpfs: data such as "size=64m,mode=1777"; flags (ro, noexec, exec, ..) are understood too
    bool read_only = false;
    bool recursive = true;
    Propagation propagation = Propagation::rprivate;
};

struct LaunchRootfs {
    std::vector<std::string> lowers;  // topmost first, relative to `base`; empty: `upper` is a plain directory
    std::string upper;                // relative to `base`
    std::string work;
    std::string base;         // the data root: the child stands there, so that options stay short
    std::string mount_point;  // any existing directory outside `base`'s used parts; shared by all containers
};

// One file written when the cgroup is made, e.g. {"/sys/fs/cgroup/memory/docker/<id>/memory.limit_in_bytes",
// "1048576"}.
struct LaunchCgroupWrite {
    std::string path;
    std::string value;
    bool optional = false;  // a kernel without it is no reason to fail (swap accounting)
};

// One hierarchy: v1 has one per controller, v2 has one altogether.
struct LaunchCgroup {
    std::string directory;   // made (parents too), then written, then entered
    std::string mount_name;  // v1: the directory below /sys/fs/cgroup in the container ("cpu,cpuacct"); v2: ""
    std::string options;     // v1: mount data ("cpu,cpuacct" or "none,name=systemd")
    std::vector<LaunchCgroupWrite> writes;
    // What of devices is allowed, all else being refused; both empty: the parent group's rules.
    std::vector<std::string> device_lines;  // v1, in the hierarchy of the controller
    std::string device_program;             // v2: struct bpf_insn[]
};

struct LaunchDevice {
    std::string path;  // in the container
    uint32_t mode = 0; // S_IFCHR|0666 ...
    uint32_t major = 0, minor = 0;
};

struct LaunchInput : ProcessInput {
    std::string id;
    std::string hostname;
    std::string domainname;
    bool tty = false;
    unsigned rows = 0, columns = 0;  // of the terminal; 0x0: as the kernel makes it
    bool open_stdin = false;
    LaunchRootfs rootfs;
    bool read_only_rootfs = false;
    std::vector<LaunchMount> mounts;  // any order: sorted by depth here
    std::string hosts_path;           // "" : not mounted
    std::string hostname_path;
    std::string resolv_conf_path;
    uint64_t shm_size = 64 << 20;
    bool privileged = false;
    std::vector<LaunchCgroup> cgroups;
    bool cgroup_v2 = false;
    bool cgroup_namespace = true;
    bool host_network = false;
    bool netns_fd = false;  // the network namespace comes as kFdNetns
    bool host_pid = false;
    bool host_ipc = false;
    bool host_uts = false;
    std::vector<std::pair<std::string, std::string>> sysctls;  // {"net.ipv4.ip_forward", "1"}
    std::vector<LaunchDevice> devices;                         // beside the usual ones
    bool default_masks = true;  // dockerd's masked and read-only paths unless privileged; else the two lists below
    std::vector<std::string> masked_paths;
    std::vector<std::string> readonly_paths;
    std::string init_path;  // a static init, bound read-only to /sbin/docker-init; "": none
};

std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();

// The child makes its terminal in the container's own devpts and sends its master away, as an exec's does. Not where
// something is mounted on /dev: that devpts is not ours. Then it is made outside, and comes as kFdChildStdin.
bool makes_own_terminal(const LaunchInput& input);

Result<std::string> make_launch_plan(const LaunchInput& input);

struct LaunchError {
    std::string message;  // as runc under dockerd says it
    int exit_code;        // 125, 126 or 127
};
enum class LaunchKind : unsigned char { container, exec };
LaunchError describe_failure(std::string_view plan, const LaunchFailure& failure,
                             LaunchKind kind = LaunchKind::container);

}  // namespace engine::runtime
