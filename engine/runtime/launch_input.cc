#include "engine/runtime/launch_input.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/launch_devices.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/mount_spec.h"

namespace engine::runtime {
namespace {

constexpr std::pair<std::string_view, int> rlimit_names[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

Result<std::vector<LaunchRlimit>> rlimits_of(const ContainerSpec& spec) {
    std::vector<LaunchRlimit> out;
    for (const Ulimit& limit : spec.ulimits) {
        const auto* found = std::find_if(std::begin(rlimit_names), std::end(rlimit_names),
                                         [&](const auto& entry) { return entry.first == limit.name; });
        if (found == std::end(rlimit_names)) return fail(ErrorKind::invalid, "invalid ulimit type: " + limit.name);
        out.push_back({found->second, static_cast<std::uint64_t>(limit.soft), static_cast<std::uint64_t>(limit.hard)});
    }
    return out;
}

// As dockerd: a variable takes the place of the one of its name, a bare name takes it away.
void override_environment(std::vector<std::string>& environment, const std::vector<std::string>& own) {
    for (const std::string& variable : own) {
        const std::size_t equals = variable.find('=');
        const std::string name = variable.substr(0, equals) + "=";
        const auto has_name = [&](const std::string& have) { return have.starts_with(name); };
        const auto place = std::find_if(environment.begin(), environment.end(), has_name);
        if (equals == std::string::npos) {
            std::erase_if(environment, has_name);
        } else if (place != environment.end()) {
            *place = variable;
        } else {
            environment.push_back(variable);
        }
    }
}

std::vector<std::string> environment_of(const Container& c, bool tty) {
    std::vector<std::string> out = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                    "HOSTNAME=" + c.spec.hostname};
    if (tty) out.emplace_back("TERM=xterm");
    if (c.network) override_environment(out, c.network->link_variables);
    override_environment(out, c.spec.env);
    return out;
}

Result<std::string> relative_to(const std::string& base, const std::string& path) {
    if (path.size() <= base.size() + 1 || !path.starts_with(base) || path[base.size()] != '/')
        return fail(ErrorKind::internal, path + " is not below " + base);
    return path.substr(base.size() + 1);
}

Result<LaunchRootfs> rootfs_of(const storage::RootfsPlan& plan, const LaunchContext& context) {
    LaunchRootfs out;
    out.base = context.data_root;
    out.mount_point = context.mount_point;
    if (plan.kind == storage::RootfsPlan::Kind::directory) {
        TRY(out.upper, relative_to(out.base, plan.directory));
        return out;
    }
    for (const std::string& lower : plan.lowers) {
        TRY(auto relative, relative_to(out.base, lower));
        out.lowers.push_back(std::move(relative));
    }
    TRY(out.upper, relative_to(out.base, plan.upper));
    TRY(out.work, relative_to(out.base, plan.work));
    return out;
}

Propagation propagation_of(std::string_view word) {
    if (word == "private") return Propagation::private_;
    if (word == "rslave") return Propagation::rslave;
    if (word == "slave") return Propagation::slave;
    if (word == "rshared") return Propagation::rshared;
    if (word == "shared") return Propagation::shared;
    return Propagation::rprivate;
}

std::string tmpfs_data(const MountSpec& mount) {
    std::string out = mount.tmpfs_options;
    const auto add = [&out](const std::string& option) { out += (out.empty() ? "" : ",") + option; };
    if (mount.tmpfs_size > 0) add("size=" + std::to_string(mount.tmpfs_size));
    char mode[16];
    std::snprintf(mode, sizeof mode, "mode=%o", mount.tmpfs_mode);
    if (mount.tmpfs_mode != 0) add(mode);
    if (mount.read_only) add("ro");
    return out;
}

// As dockerd: what -v names and is not there becomes a directory.
Result<void> make_source(const std::string& path) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) return {};
    std::filesystem::create_directories(path, error);
    if (error)
        return fail(ErrorKind::invalid, "error while creating mount source path '" + path + "': mkdir " + path + ": " +
                                            error.message());
    return {};
}

Result<std::vector<LaunchMount>> launch_mounts(const ContainerSpec& spec) {
    std::vector<LaunchMount> out;
    for (const MountSpec& mount : mounts_of(spec)) {
        if (mount.type != MountType::bind && mount.type != MountType::tmpfs) continue;
        LaunchMount launch;
        launch.destination = mount.target;
        if (mount.type == MountType::tmpfs) {
            launch.kind = LaunchMount::Kind::tmpfs;
            launch.options = tmpfs_data(mount);
        } else {
            if (mount.create_source) {
                TRY_VOID(make_source(mount.source));
            }
            launch.source = mount.source;
            launch.read_only = mount.read_only;
            launch.recursive = mount.recursive;
            launch.propagation = propagation_of(mount.propagation);
        }
        out.push_back(std::move(launch));
    }
    return out;
}

bool forbids_new_privileges(const ContainerSpec& spec) {
    return std::any_of(spec.security_opt.begin(), spec.security_opt.end(), [](const std::string& option) {
        return option == "no-new-privileges" || option == "no-new-privileges=true" ||
               option == "no-new-privileges:true" || option == "no-new-privileges=1";
    });
}

Result<std::vector<std::uint32_t>> additional_groups(const ContainerSpec& spec) {
    std::vector<std::uint32_t> out;
    for (const std::string& text : spec.group_add) {
        std::uint32_t id = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
        if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
            return fail(ErrorKind::invalid, "Unable to find group " + text + ": additional groups are given by number");
        out.push_back(id);
    }
    return out;
}

// Empty lists in the body mean no masks at all; with one list given, the other keeps its default.
void apply_masks(const ContainerSpec& spec, LaunchInput& input) {
    if (!spec.masked_paths && !spec.readonly_paths) return;
    input.default_masks = false;
    if (spec.privileged) return;
    input.masked_paths = spec.masked_paths.value_or(default_masked_paths());
    input.readonly_paths = spec.readonly_paths.value_or(default_readonly_paths());
}

}  // namespace

CgroupLimits limits_of(const ContainerSpec& spec) {
    CgroupLimits limits;
    limits.memory = spec.memory;
    limits.memory_swap = spec.memory_swap;
    limits.cpu_shares = spec.cpu_shares;
    limits.cpu_quota = spec.cpu_quota;
    limits.cpu_period = spec.cpu_period;
    limits.pids = spec.pids_limit;
    limits.memory_reservation = spec.memory_reservation;
    limits.memory_swappiness = spec.memory_swappiness.value_or(-1);
    limits.oom_kill_disable = spec.oom_kill_disable;
    limits.blkio_weight = spec.blkio_weight;
    limits.cpuset_cpus = spec.cpuset_cpus;
    limits.cpuset_mems = spec.cpuset_mems;
    if (spec.nano_cpus > 0) {
        constexpr std::int64_t period = 100'000;
        limits.cpu_period = period;
        limits.cpu_quota = spec.nano_cpus * period / 1'000'000'000;
    }
    return limits;
}

Result<SeccompWish> seccomp_wish(const ContainerSpec& spec) {
    SeccompWish wish;
    TRY(wish.capabilities, container_capabilities(spec.cap_add, spec.cap_drop, spec.privileged));
    wish.confined = !spec.privileged;
    for (const std::string& option : spec.security_opt) {
        if (!option.starts_with("seccomp=") && !option.starts_with("seccomp:")) continue;
        const std::string value = option.substr(8);
        if (value == "unconfined") wish.confined = false;
        if (value != "unconfined" && value != "builtin") wish.profile = value;
    }
    return wish;
}

namespace {

// What all processes of a container have in common.
Result<void> fill_process(const ContainerSpec& spec, ProcessInput& input) {
    input.no_new_privs = forbids_new_privileges(spec);
    TRY(input.rlimits, rlimits_of(spec));
    input.oom_score_adj = static_cast<int>(spec.oom_score_adj);
    TRY(input.groups_add, additional_groups(spec));
    return {};
}

}  // namespace

Result<ExecInput> make_exec_input(const Container& c, const ExecSpec& exec) {
    ExecInput input;
    TRY_VOID(fill_process(c.spec, input));
    input.argv = exec.cmd;
    input.env = environment_of(c, exec.tty);
    override_environment(input.env, exec.env);
    input.cwd = exec.working_dir.empty() ? "/" : exec.working_dir;
    input.make_cwd = false;
    input.user = exec.user;
    const bool privileged = exec.privileged || c.spec.privileged;
    TRY(input.capabilities, container_capabilities(c.spec.cap_add, c.spec.cap_drop, c.spec.privileged));
    if (privileged) input.capabilities = all_capabilities();
    input.tty = exec.tty;
    if (exec.console_size) {
        input.rows = exec.console_size->rows;
        input.columns = exec.console_size->columns;
    }
    if (input.cwd[0] != '/')
        return fail(ErrorKind::internal, "OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown");
    return input;
}

Result<LaunchInput> make_launch_input(const Container& c, const storage::RootfsPlan& rootfs,
                                      const LaunchContext& context) {
    const ContainerSpec& spec = c.spec;
    LaunchInput input;
    input.id = c.id;
    input.argv = spec.entrypoint;
    input.argv.insert(input.argv.end(), spec.cmd.begin(), spec.cmd.end());
    if (input.argv.empty()) return fail(ErrorKind::invalid, "no command specified");
    TRY_VOID(fill_process(spec, input));
    if (spec.init.value_or(false)) {
        input.init_path = context.init_binary;
        input.argv.insert(input.argv.begin(), {"/sbin/docker-init", "--"});
    }
    input.env = environment_of(c, spec.tty);
    input.cwd = spec.working_dir.empty() ? "/" : spec.working_dir;
    input.user = spec.user;
    input.hostname = context.hostname.empty() ? spec.hostname : context.hostname;
    input.domainname = context.hostname.empty() ? spec.domainname : context.domainname;
    input.tty = spec.tty;
    input.rows = spec.console_rows;
    input.columns = spec.console_columns;
    input.open_stdin = spec.open_stdin;
    TRY(input.rootfs, rootfs_of(rootfs, context));
    input.read_only_rootfs = spec.readonly_rootfs;
    TRY(input.mounts, launch_mounts(spec));
    input.hosts_path = context.network_files + "/hosts";
    input.hostname_path = context.network_files + "/hostname";
    input.resolv_conf_path = context.network_files + "/resolv.conf";
    input.shm_size = static_cast<std::uint64_t>(spec.shm_size > 0 ? spec.shm_size : kShmSizeDefault);
    input.privileged = spec.privileged;
    TRY(const SeccompWish wish, seccomp_wish(spec));
    input.capabilities = wish.capabilities;
    if (wish.confined) input.seccomp_bpf = context.seccomp_filter;
    CgroupLimits limits = limits_of(spec);
    TRY(ContainerDevices devices, container_devices(spec));
    input.devices = std::move(devices.nodes);
    limits.every_device = spec.privileged;
    limits.devices = std::move(devices.rules);
    input.cgroups = container_cgroups(*context.cgroups, context.cgroup_parent, c.id, limits);
    input.cgroup_v2 = context.cgroups->v2;
    input.host_network = context.host_network;
    input.netns_fd = context.own_netns;
    input.host_pid = spec.pid_mode == "host";
    input.host_ipc = spec.ipc_mode == "host";
    input.host_uts = spec.uts_mode == "host";
    input.cgroup_namespace = spec.cgroupns_mode != "host";
    apply_masks(spec, input);
    input.sysctls.assign(spec.sysctls.begin(), spec.sysctls.end());
    return input;
}

}  // namespace engine::runtime
