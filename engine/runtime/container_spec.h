// What a container was asked to be: every option that is acted upon, as plain values, and the whole create body (merged
// with the image's configuration) as JSON text, so that inspect shows what the engine does not understand too.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace engine::runtime {

struct Ulimit {
    std::string name;  // "nofile"
    std::int64_t soft = 0;
    std::int64_t hard = 0;
};

enum class MountType : unsigned char { bind, tmpfs, volume, other };

// One thing mounted, whether it came from Binds, Mounts or Tmpfs.
struct MountSpec {
    MountType type = MountType::bind;
    std::string type_name = "bind";  // as asked, for messages
    std::string source;              // absolute for bind, a name for volume, "" for tmpfs
    std::string target;
    std::string mode;         // the text behind the last colon of a bind
    std::string propagation;  // "rprivate" when not said
    std::string tmpfs_options;
    std::int64_t tmpfs_size = 0;
    std::uint32_t tmpfs_mode = 0;
    bool read_only = false;
    bool create_source = false;  // Binds make a missing source, Mounts refuse
    bool recursive = true;
};

// A node of the host, given to the container.
struct DeviceMapping {
    std::string host;
    std::string container;
    std::string permissions;  // some of "rwm"
};

struct RestartPolicy {
    std::string name;  // "" or "no", "always", "unless-stopped", "on-failure"
    std::int64_t maximum_retry_count = 0;
};

struct LogConfig {
    std::string type;  // "" means json-file
    std::map<std::string, std::string> options;
};

struct Healthcheck {
    std::vector<std::string> test;
    std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  // ns
    std::int64_t retries = 0;
};

struct ContainerSpec {
    // Config
    std::string image;
    std::vector<std::string> cmd;
    std::vector<std::string> entrypoint;
    std::vector<std::string> env;  // "NAME=value", merged with the image's
    std::string user;
    std::string working_dir;
    std::string hostname;  // "" until the container's id is known: then its first 12 digits
    std::string domainname;
    std::map<std::string, std::string> labels;
    std::vector<std::string> exposed_ports;  // "80/tcp"
    std::vector<std::string> volumes;        // anonymous volumes' targets
    bool tty = false;
    unsigned console_rows = 0, console_columns = 0;
    bool open_stdin = false;
    bool stdin_once = false;
    bool attach_stdin = false;
    bool attach_stdout = false;
    bool attach_stderr = false;
    bool network_disabled = false;
    std::string stop_signal;  // "" means SIGTERM
    std::optional<std::int64_t> stop_timeout;
    std::optional<Healthcheck> healthcheck;

    // HostConfig
    bool readonly_rootfs = false;
    bool privileged = false;
    bool auto_remove = false;
    bool publish_all_ports = false;
    std::optional<bool> init;
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::vector<std::string> security_opt;
    std::map<std::string, std::string> tmpfs;  // target -> options
    std::vector<std::string> binds;
    std::vector<MountSpec> mounts;  // HostConfig.Mounts only
    std::map<std::string, std::string> sysctls;
    std::vector<Ulimit> ulimits;
    std::vector<DeviceMapping> devices;
    std::vector<std::string> device_cgroup_rules;
    std::vector<std::string> group_add;
    std::vector<std::string> extra_hosts;
    std::vector<std::string> dns, dns_options, dns_search;
    std::int64_t shm_size = 0;  // 0: the default, 64 MiB
    std::int64_t memory = 0;
    std::int64_t memory_swap = 0;
    std::int64_t memory_reservation = 0;
    std::int64_t cpu_shares = 0;
    std::int64_t cpu_quota = 0;
    std::int64_t cpu_period = 0;
    std::int64_t nano_cpus = 0;
    std::int64_t cpu_realtime_period = 0, cpu_realtime_runtime = 0;
    std::int64_t kernel_memory = 0;
    std::optional<std::int64_t> memory_swappiness;
    std::int64_t blkio_weight = 0;
    std::int64_t pids_limit = 0;  // 0 or -1: unlimited
    bool pids_limit_said = false;
    std::string cpuset_cpus, cpuset_mems;
    std::string cgroup_parent;
    std::string network_mode;  // "" and "default" mean bridge
    std::string ipc_mode, pid_mode, uts_mode, userns_mode, cgroupns_mode;
    std::string runtime, isolation;
    std::int64_t oom_score_adj = 0;
    bool oom_kill_disable = false;
    LogConfig log;
    RestartPolicy restart;
    std::optional<std::vector<std::string>> masked_paths;    // none: the defaults
    std::optional<std::vector<std::string>> readonly_paths;  // none: the defaults

    // The body, minified; each is a JSON object. Config is already merged with the image's.
    std::string config_json = "{}";
    std::string host_config_json = "{}";
    std::string networking_config_json = "{}";
};

}  // namespace engine::runtime
