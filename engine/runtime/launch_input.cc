#include "engine/runtime/launch_input.h"

#include <sys/resource.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/linux/capabilities.h"

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

std::vector<std::string> environment_of(const Container& c) {
    std::vector<std::string> out = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                    "HOSTNAME=" + c.spec.hostname};
    if (c.spec.tty) out.emplace_back("TERM=xterm");
    for (const std::string& variable : c.spec.env) {
        const std::string name = variable.substr(0, variable.find('=') + 1);
        std::erase_if(out, [&](const std::string& have) { return !name.empty() && have.starts_with(name); });
        out.push_back(variable);
    }
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

Result<std::vector<LaunchMount>> mounts_of(const ContainerSpec& spec) {
    std::vector<LaunchMount> out;
    const auto bind = [&](std::string source, std::string target, bool read_only) {
        LaunchMount mount;
        mount.source = std::move(source);
        mount.destination = std::move(target);
        mount.read_only = read_only;
        out.push_back(std::move(mount));
    };
    for (const std::string& text : spec.binds) {
        const std::size_t first = text.find(':');
        if (first == std::string::npos || text.empty() || text[0] != '/')
            return fail(ErrorKind::invalid, "invalid volume specification: '" + text + "'");
        const std::size_t next = text.find(':', first + 1);
        const std::string mode = next == std::string::npos ? "" : text.substr(next + 1);
        const std::size_t length = next == std::string::npos ? std::string::npos : next - first - 1;
        bind(text.substr(0, first), text.substr(first + 1, length), ("," + mode + ",").find(",ro,") != std::string::npos);
    }
    for (const MountSpec& mount : spec.mounts) {
        if (mount.type == MountType::bind) bind(mount.source, mount.target, mount.read_only);
        if (mount.type != MountType::tmpfs) continue;
        LaunchMount tmpfs;
        tmpfs.kind = LaunchMount::Kind::tmpfs;
        tmpfs.destination = mount.target;
        tmpfs.options = mount.tmpfs_options;
        out.push_back(std::move(tmpfs));
    }
    for (const auto& [target, options] : spec.tmpfs) {
        LaunchMount tmpfs;
        tmpfs.kind = LaunchMount::Kind::tmpfs;
        tmpfs.destination = target;
        tmpfs.options = options;
        out.push_back(std::move(tmpfs));
    }
    return out;
}

CgroupLimits limits_of(const ContainerSpec& spec) {
    CgroupLimits limits;
    limits.memory = spec.memory;
    limits.memory_swap = spec.memory_swap;
    limits.cpu_shares = spec.cpu_shares;
    limits.cpu_quota = spec.cpu_quota;
    limits.cpu_period = spec.cpu_period;
    limits.pids = spec.pids_limit;
    if (spec.nano_cpus > 0) {
        constexpr std::int64_t period = 100'000;
        limits.cpu_period = period;
        limits.cpu_quota = spec.nano_cpus * period / 1'000'000'000;
    }
    return limits;
}

Result<void> apply_security(const ContainerSpec& spec, SeccompCache& cache, LaunchInput& input) {
    TRY(input.capabilities, container_capabilities(spec.cap_add, spec.cap_drop, spec.privileged));
    std::string profile;
    bool confined = !spec.privileged;
    for (const std::string& option : spec.security_opt) {
        if (option == "no-new-privileges" || option == "no-new-privileges=true" || option == "no-new-privileges:true") {
            input.no_new_privs = true;
        } else if (option == "seccomp=unconfined" || option == "seccomp:unconfined") {
            confined = false;
        } else if (option.starts_with("seccomp=") && option != "seccomp=builtin") {
            profile = option.substr(8);
        }
    }
    if (!confined) return {};
    TRY(input.seccomp_bpf, cache.filter(profile, input.capabilities));
    return {};
}

}  // namespace

Result<LaunchInput> make_launch_input(const Container& c, const storage::RootfsPlan& rootfs, const LaunchContext& context) {
    const ContainerSpec& spec = c.spec;
    LaunchInput input;
    input.id = c.id;
    input.argv = spec.entrypoint;
    input.argv.insert(input.argv.end(), spec.cmd.begin(), spec.cmd.end());
    if (input.argv.empty()) return fail(ErrorKind::invalid, "no command specified");
    input.env = environment_of(c);
    input.cwd = spec.working_dir.empty() ? "/" : spec.working_dir;
    input.user = spec.user;
    input.hostname = spec.hostname;
    input.domainname = spec.domainname;
    input.tty = spec.tty;
    input.open_stdin = spec.open_stdin;
    TRY(input.rootfs, rootfs_of(rootfs, context));
    input.read_only_rootfs = spec.readonly_rootfs;
    TRY(input.mounts, mounts_of(spec));
    input.hosts_path = context.container_directory + "/hosts";
    input.hostname_path = context.container_directory + "/hostname";
    input.resolv_conf_path = context.container_directory + "/resolv.conf";
    input.shm_size = static_cast<std::uint64_t>(spec.shm_size > 0 ? spec.shm_size : kShmSizeDefault);
    input.privileged = spec.privileged;
    TRY_VOID(apply_security(spec, *context.seccomp, input));
    TRY(input.rlimits, rlimits_of(spec));
    input.oom_score_adj = static_cast<int>(spec.oom_score_adj);
    input.cgroups = container_cgroups(*context.cgroups, context.cgroup_parent, c.id, limits_of(spec));
    input.cgroup_v2 = context.cgroups->v2;
    input.host_network = spec.network_mode == "host";
    input.host_pid = spec.pid_mode == "host";
    input.host_ipc = spec.ipc_mode == "host";
    input.host_uts = spec.uts_mode == "host";
    input.sysctls.assign(spec.sysctls.begin(), spec.sysctls.end());
    return input;
}

}  // namespace engine::runtime
