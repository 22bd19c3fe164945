#include "engine/runtime/linux/launch_plan.h"

#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/runtime/linux/plan_writer.h"

namespace engine::runtime {
namespace {

// From sys/mount.h, which cannot be included beside linux/mount.h with this libc.
constexpr uint64_t kReadOnly = MS_RDONLY, kNoSuid = MS_NOSUID, kNoDev = MS_NODEV, kNoExec = MS_NOEXEC;

constexpr std::string_view kMasked[] = {
    "/proc/acpi",       "/proc/asound",     "/proc/interrupts",   "/proc/kcore",        "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
    "/sys/firmware",    "/sys/devices/virtual/powercap",
};
constexpr std::string_view kReadOnlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                               "/proc/sysrq-trigger"};

struct Node {
    std::string_view path;
    unsigned major, minor;
};
constexpr Node kNodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                           {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

Result<void> check_input(const LaunchInput& in) {
    TRY_VOID(check_process(in));
    TRY_VOID(check_text(in.hostname, "hostname"));
    TRY_VOID(check_text(in.domainname, "domainname"));
    for (const auto& m : in.mounts) {
        TRY_VOID(check_text(m.source, "mount source"));
        TRY_VOID(check_text(m.destination, "mount destination"));
        TRY_VOID(check_text(m.options, "mount options"));
        if (m.destination.empty() || m.destination[0] != '/') {
            return fail(ErrorKind::invalid,
                        "invalid mount config: mount path must be absolute: '" + m.destination + "'");
        }
    }
    if (in.mounts.size() + in.cgroups.size() + 8 > kBindSlots) return fail(ErrorKind::invalid, "too many mounts");
    for (const auto& [key, value] : in.sysctls) {
        TRY_VOID(check_text(key, "sysctl"));
        TRY_VOID(check_text(value, "sysctl"));
        if (key.find('/') != std::string::npos || key.find("..") != std::string::npos) {
            return fail(ErrorKind::invalid, "invalid sysctl '" + key + "'");
        }
    }
    for (const auto* list : {&in.masked_paths, &in.readonly_paths}) {
        for (const auto& path : *list) {
        TRY_VOID(check_text(path, "path"));
    }
    }
    return {};
}

uint64_t propagation_flags(Propagation p) {
    switch (p) {
        case Propagation::rprivate:
        case Propagation::private_: return MS_PRIVATE;
        case Propagation::rslave:
        case Propagation::slave: return MS_SLAVE;
        case Propagation::rshared:
        case Propagation::shared: return MS_SHARED;
    }
    UNREACHABLE("propagation");
}

struct TmpfsOptions {
    uint64_t flags = kNoSuid | kNoDev | kNoExec;  // dockerd's defaults
    std::string data;
};

TmpfsOptions tmpfs_options(std::string_view text) {
    struct Word {
        std::string_view name;
        uint64_t flag;
        bool set;
    };
    constexpr Word kWords[] = {{"ro", kReadOnly, true},  {"rw", kReadOnly, false},  {"nosuid", kNoSuid, true},
                               {"suid", kNoSuid, false}, {"nodev", kNoDev, true},   {"dev", kNoDev, false},
                               {"noexec", kNoExec, true}, {"exec", kNoExec, false}, {"noatime", MS_NOATIME, true},
                               {"sync", MS_SYNCHRONOUS, true}, {"defaults", 0, true}};
    TmpfsOptions out;
    while (!text.empty()) {
        size_t comma = std::min(text.find(','), text.size());
        std::string_view word = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        bool known = false;
        for (const Word& w : kWords) {
            if (w.name != word) continue;
            out.flags = w.set ? out.flags | w.flag : out.flags & ~w.flag;
            known = true;
        }
        if (known || word.empty()) continue;
        if (!out.data.empty()) out.data += ',';
        out.data += word;
    }
    return out;
}

size_t depth(std::string_view path) { return static_cast<size_t>(std::count(path.begin(), path.end(), '/')); }

bool mounted_on(const LaunchInput& input, std::string_view path) {
    return std::any_of(input.mounts.begin(), input.mounts.end(),
                       [&](const LaunchMount& m) { return m.destination == path; });
}

class Builder {
public:
    explicit Builder(const LaunchInput& input)
        : in_(input),
          plan_(CLONE_NEWNS | (input.host_pid ? 0 : uint64_t{CLONE_NEWPID}),
                input.tty && !makes_own_terminal(input) ? kPlanTty : 0u) {}

    std::string build() {
        for (const auto& m : in_.mounts) mounts_.push_back(&m);
        std::stable_sort(mounts_.begin(), mounts_.end(), [](const LaunchMount* a, const LaunchMount* b) {
            return depth(a->destination) < depth(b->destination);
        });
        cgroups();
        namespaces();
        root();
        open_binds();
        plan_.add(PlanOp::pivot, {}, {in_.rootfs.mount_point});
        kernel_mounts();
        if (in_.tty && !makes_own_terminal(in_)) plan_.add(PlanOp::terminal, {}, {});
        attach_mounts();
        masks();
        add_process(plan_, in_);
        return std::move(plan_).finish();
    }

private:
    bool mounted_by_user(std::string_view path) const {
        return mounted_on(in_, path);
    }

    void cgroups() {
        for (const auto& c : in_.cgroups) {
            uint16_t where = in_.cgroup_v2 ? kOpInKeeper : uint16_t{0};
            plan_.add(PlanOp::make_dir, {0755}, {c.directory}, static_cast<uint16_t>(kOpParents | where));
            for (const auto& w : c.writes) {
                plan_.add(PlanOp::write_file, {}, {w.path, w.value},
                          static_cast<uint16_t>((w.optional ? kOpIgnoreErrors : uint16_t{0}) | where));
            }
            device_rules(c);
            if (in_.cgroup_v2) {
                plan_.add(PlanOp::cgroup_enter, {}, {c.directory}, kOpInKeeper);
            } else {
                plan_.add(PlanOp::write_file, {}, {c.directory + "/cgroup.procs", "0"});
            }
        }
        add_oom_score(plan_, in_);
    }

    void device_rules(const LaunchCgroup& c) {
        if (!c.device_lines.empty()) {
            plan_.add(PlanOp::write_file, {}, {c.directory + "/devices.deny", "a"});
            plan_.begin(PlanOp::write_lines);
            plan_.number(c.device_lines.size());
            plan_.string(c.directory + "/devices.allow");
            for (const std::string& line : c.device_lines) plan_.string(line);
            plan_.end();
        }
        if (!c.device_program.empty()) {
            plan_.begin(PlanOp::device_filter, kOpInKeeper);
            plan_.number(c.device_program.size());
            plan_.bytes(c.device_program);
            plan_.string(c.directory);
            plan_.end();
        }
    }

    void namespaces() {
        uint64_t flags = 0;
        if (!in_.host_uts) flags |= CLONE_NEWUTS;
        if (!in_.host_ipc) flags |= CLONE_NEWIPC;
        if (in_.cgroup_namespace) flags |= CLONE_NEWCGROUP;
        bool own_net = !in_.host_network && !in_.netns_fd;
        if (own_net) flags |= CLONE_NEWNET;
        if (flags != 0) plan_.add(PlanOp::unshare, {flags}, {});
        if (in_.netns_fd) plan_.add(PlanOp::setns_fd, {CLONE_NEWNET}, {});
        if (own_net) plan_.add(PlanOp::loopback, {}, {});
        if (!in_.host_uts && !in_.hostname.empty()) plan_.add(PlanOp::hostname, {}, {in_.hostname});
        if (!in_.host_uts && !in_.domainname.empty()) plan_.add(PlanOp::domainname, {}, {in_.domainname});
    }

    void root() {
        const LaunchRootfs& r = in_.rootfs;
        if (r.lowers.empty()) {
            std::string source = r.upper.starts_with('/') ? r.upper : r.base + "/" + r.upper;
            plan_.add(PlanOp::root_bind, {0}, {source, r.mount_point});
            return;
        }
        plan_.begin(PlanOp::overlay);
        plan_.number(r.lowers.size());
        plan_.string(r.base);
        plan_.string(r.mount_point);
        plan_.string(r.upper);
        plan_.string(r.work);
        for (const auto& lower : r.lowers) plan_.string(lower);
        plan_.end();
    }

    uint64_t open_bind(std::string_view source, bool read_only, Propagation propagation, bool recursive) {
        plan_.add(
            PlanOp::bind_open,
            {slot_, read_only ? uint64_t{MOUNT_ATTR_RDONLY} : 0, propagation_flags(propagation), recursive ? 1u : 0u},
            {source});
        return slot_++;
    }

    void open_binds() {
        const std::pair<std::string_view, std::string_view> files[] = {{in_.resolv_conf_path, "/etc/resolv.conf"},
                                                                       {in_.hostname_path, "/etc/hostname"},
                                                                       {in_.hosts_path, "/etc/hosts"},
                                                                       {in_.init_path, "/sbin/docker-init"}};
        for (const auto& [source, target] : files) {
            if (source.empty() || mounted_by_user(target)) continue;
            // One file: nothing below it to propagate, so the attributes cost no extra call when it is writable.
            attach_.push_back({open_bind(source, target == "/sbin/docker-init", Propagation::rprivate, false),
                               kBindFile, std::string(target)});
        }
        for (const LaunchMount* m : mounts_) {
            if (m->kind != LaunchMount::Kind::bind) continue;
            user_slots_.push_back(open_bind(m->source, m->read_only, m->propagation, m->recursive));
        }
        if (!in_.cgroup_v2 && !in_.cgroup_namespace) {
            for (const auto& c : in_.cgroups) {
                cgroup_slots_.push_back(open_bind(c.directory, !in_.privileged, Propagation::rprivate, false));
            }
        }
    }

    void kernel_mounts() {
        constexpr uint16_t kTop = kOpMakeTarget | kOpNoSymlinks;
        const uint64_t safe = kNoSuid | kNoExec | kNoDev;
        if (!mounted_by_user("/proc")) plan_.add(PlanOp::mount_fs, {safe, 0755}, {"proc", "proc", "/proc", ""}, kTop);
        if (!mounted_by_user("/dev")) {
            plan_.add(PlanOp::mount_fs, {kNoSuid | MS_STRICTATIME, 0755},
                      {"tmpfs", "tmpfs", "/dev", "mode=755,size=65536k"}, kTop);
            devices();
        }
        if (!mounted_by_user("/sys")) {
            plan_.add(PlanOp::mount_fs, {safe | (in_.privileged ? 0 : kReadOnly), 0755}, {"sysfs", "sysfs", "/sys", ""},
                      kTop);
            if (!mounted_by_user("/sys/fs/cgroup")) cgroup_mounts();
        }
        // Written while /proc/sys is still writable.
        for (const auto& [key, value] : in_.sysctls) {
            std::string path = "/proc/sys/" + key;
            std::replace(path.begin() + 10, path.end(), '.', '/');
            plan_.add(PlanOp::write_file, {}, {path, value});
        }
    }

    void devices() {
        const uint64_t safe = kNoSuid | kNoExec;
        for (const Node& n : kNodes) {
            plan_.add(PlanOp::make_node, {S_IFCHR | 0666, makedev(n.major, n.minor)}, {n.path});
        }
        for (const LaunchDevice& d : in_.devices) {
            size_t slash = d.path.rfind('/');
            if (slash != std::string::npos && slash > 4) {
                plan_.add(PlanOp::make_dir, {0755}, {d.path.substr(0, slash)}, kOpParents);
            }
            plan_.add(PlanOp::make_node, {d.mode, makedev(d.major, d.minor)}, {d.path}, kOpExistOk);
        }
        plan_.add(PlanOp::symlink, {}, {"/proc/self/fd", "/dev/fd"});
        plan_.add(PlanOp::symlink, {}, {"/proc/self/fd/0", "/dev/stdin"});
        plan_.add(PlanOp::symlink, {}, {"/proc/self/fd/1", "/dev/stdout"});
        plan_.add(PlanOp::symlink, {}, {"/proc/self/fd/2", "/dev/stderr"});
        plan_.add(PlanOp::symlink, {}, {"/proc/kcore", "/dev/core"});
        plan_.add(PlanOp::symlink, {}, {"pts/ptmx", "/dev/ptmx"});
        plan_.add(PlanOp::mount_fs, {safe, 0755},
                  {"devpts", "devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"}, kOpMakeTarget);
        if (!mounted_by_user("/dev/shm")) {
            plan_.add(PlanOp::mount_fs, {safe | kNoDev, 0755},
                      {"tmpfs", "shm", "/dev/shm", "mode=1777,size=" + std::to_string(in_.shm_size)}, kOpMakeTarget);
        }
        plan_.add(PlanOp::mount_fs, {safe | kNoDev, 0755}, {"mqueue", "mqueue", "/dev/mqueue", ""}, kOpMakeTarget);
        if (makes_own_terminal(in_)) {
            const uint64_t slot = slot_++;
            plan_.add(PlanOp::pty, {in_.rows, in_.columns}, {});
            plan_.add(PlanOp::terminal_open, {slot}, {});
            plan_.add(PlanOp::bind_attach, {slot, kBindFile}, {"/dev/console"}, kOpMakeTarget);
        }
    }

    void cgroup_mounts() {
        const uint64_t flags = kNoSuid | kNoDev | kNoExec | (in_.privileged ? 0 : kReadOnly);
        if (in_.cgroup_v2) {
            plan_.add(PlanOp::mount_fs, {flags, 0755}, {"cgroup2", "cgroup", "/sys/fs/cgroup", "nsdelegate"});
            return;
        }
        if (in_.cgroups.empty()) return;
        plan_.add(PlanOp::mount_fs, {kNoSuid | kNoDev | kNoExec, 0755},
                  {"tmpfs", "tmpfs", "/sys/fs/cgroup", "mode=755"});
        for (size_t i = 0; i < in_.cgroups.size(); ++i) {
            const LaunchCgroup& c = in_.cgroups[i];
            std::string target = "/sys/fs/cgroup/" + c.mount_name;
            if (in_.cgroup_namespace) {
                plan_.add(PlanOp::mount_fs, {flags, 0755}, {"cgroup", "cgroup", target, c.options}, kOpMakeTarget);
            } else {
                plan_.add(PlanOp::bind_attach, {cgroup_slots_[i], kBindDirectory}, {target}, kOpMakeTarget);
            }
        }
        if (!in_.privileged) plan_.add(PlanOp::remount, {MOUNT_ATTR_RDONLY}, {"/sys/fs/cgroup"});
    }

    void attach_mounts() {
        for (const auto& a : attach_) plan_.add(PlanOp::bind_attach, {a.slot, a.kind}, {a.target}, kOpMakeTarget);
        size_t next = 0;
        for (const LaunchMount* m : mounts_) {
            if (m->kind == LaunchMount::Kind::bind) {
                plan_.add(PlanOp::bind_attach, {user_slots_[next++], kBindAsSource}, {m->destination}, kOpMakeTarget);
            } else {
                TmpfsOptions options = tmpfs_options(m->options);
                if (m->read_only) options.flags |= kReadOnly;
                plan_.add(PlanOp::mount_fs, {options.flags, 0755}, {"tmpfs", "tmpfs", m->destination, options.data},
                          kOpMakeTarget);
            }
        }
    }

    void masks() {
        auto add = [&](PlanOp op, const auto& paths) {
            for (const auto& path : paths) plan_.add(op, {}, {path});
        };
        if (!in_.default_masks) {
            add(PlanOp::readonly_path, in_.readonly_paths);
            add(PlanOp::mask, in_.masked_paths);
        } else if (!in_.privileged) {
            add(PlanOp::readonly_path, kReadOnlyPaths);
            add(PlanOp::mask, kMasked);
        }
        if (in_.read_only_rootfs) plan_.add(PlanOp::remount, {MOUNT_ATTR_RDONLY}, {"/"});
    }

    struct Attach {
        uint64_t slot, kind;
        std::string target;
    };

    const LaunchInput& in_;
    PlanWriter plan_;
    std::vector<const LaunchMount*> mounts_;
    std::vector<Attach> attach_;
    std::vector<uint64_t> user_slots_, cgroup_slots_;
    uint64_t slot_ = 0;
};

// The lower case wording of Go's syscall package, which dockerd's messages carry.
std::string errno_text(int error) {
    std::string text = strerror(error);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' && !(text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z')) {
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
    return text;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

std::vector<std::string> default_masked_paths() { return {std::begin(kMasked), std::end(kMasked)}; }
std::vector<std::string> default_readonly_paths() { return {std::begin(kReadOnlyPaths), std::end(kReadOnlyPaths)}; }

bool makes_own_terminal(const LaunchInput& input) {
    return input.tty && !mounted_on(input, "/dev");
}

Result<std::string> make_launch_plan(const LaunchInput& input) {
    TRY_VOID(check_input(input));
    std::string plan = Builder(input).build();
    if (plan.size() > kPlanLimit) return fail(ErrorKind::invalid, "argument list too long");
    return plan;
}

LaunchError describe_failure(std::string_view plan, const LaunchFailure& failure, LaunchKind kind) {
    constexpr std::string_view kContainer =
        "failed to create task for container: failed to create shim task: OCI runtime create failed: "
        "runc create failed: unable to start container process: ";
    constexpr std::string_view kExec = "OCI runtime exec failed: exec failed: unable to start container process: ";
    auto error = [&](const std::string& text, int code) {
        return LaunchError{std::string(kind == LaunchKind::exec ? kExec : kContainer) + text + ": unknown", code};
    };
    if (!plan_valid(plan.data(), plan.size())) return error("the launch plan is damaged", 128);
    PlanHeader header;
    memcpy(&header, plan.data(), sizeof header);
    if (failure.op_index >= header.op_count) return error("the launch plan is damaged", 128);
    size_t at = sizeof header;
    PlanStep step{};
    for (uint32_t i = 0; i <= failure.op_index; ++i) step = plan_next(plan.data(), at);
    PlanReader in(step.payload, step.length);
    const auto where = static_cast<LaunchStep>(failure.step);
    const std::string why = errno_text(failure.error);
    if (where == LaunchStep::bad_plan) return error("the launch plan is damaged: " + why, 128);
    if (where == LaunchStep::stdio) return error("setting up standard streams: " + why, 128);
    if (where == LaunchStep::null_device)
        return error("error reopening /dev/null inside container: open /dev/null: " + why, 128);

    switch (step.code) {
        case PlanOp::exec: {
            in.number();
            in.number();
            std::string name = in.string();
            if (where == LaunchStep::not_found_in_path) {
                return error("exec: " + quoted(name) + ": executable file not found in $PATH", 127);
            }
            const bool missing = failure.error == ENOENT || failure.error == ENOTDIR;
            if (where == LaunchStep::open_target || missing) {
                return error("exec: " + quoted(name) + ": stat " + name + ": " + why, missing ? 127 : 126);
            }
            return error("exec: " + quoted(name) + ": " + why, 126);
        }
        case PlanOp::user: {
            uint64_t count = in.number();
            for (uint64_t i = 0; i < count; ++i) in.number();
            std::string user = in.string();
            std::string group = user.find(':') == std::string::npos ? "" : user.substr(user.find(':') + 1);
            user = user.substr(0, user.find(':'));
            if (where == LaunchStep::user_not_found) {
                return LaunchError{"unable to find user " + user + ": no matching entries in passwd file", 126};
            }
            if (where == LaunchStep::group_not_found) {
                return LaunchError{"unable to find group " + group + ": no matching entries in group file", 126};
            }
            return LaunchError{"uids and gids must be in range 0-2147483647", 126};
        }
        case PlanOp::directory: {
            in.number();
            std::string path = in.string();
            if (where == LaunchStep::make_target) return error("mkdir " + path + ": " + why, 127);
            if (where == LaunchStep::outside_root)
                return error("current working directory is outside of container mount namespace root -- possible "
                             "container breakout detected", 128);
            return error("chdir to cwd (" + quoted(path) + ") set in config.json failed: " + why, 126);
        }
        case PlanOp::bind_open: {
            for (int i = 0; i < 4; ++i) in.number();
            std::string source = in.string();
            return error("error mounting " + quoted(source) + " to rootfs: " + why, 127);
        }
        case PlanOp::bind_attach: {
            in.number();
            in.number();
            std::string target = in.string();
            std::string text = "error mounting to rootfs at " + quoted(target) + ": ";
            if (where == LaunchStep::make_target) text += "create mountpoint: ";
            return error(
                text + why +
                    (failure.error == ENOTDIR ? ": Are you trying to mount a directory onto a file (or vice-versa)? "
                                                "Check if the specified host path exists and is the expected type"
                                              : ""),
                127);
        }
        case PlanOp::mount_fs: {
            in.number();
            in.number();
            std::string type = in.string();
            in.string();
            std::string target = in.string();
            return error("error mounting " + quoted(type) + " to rootfs at " + quoted(target) + ": " + why, 127);
        }
        case PlanOp::write_file: {
            std::string path = in.string();
            std::string data = in.string();
            return error("failed to write " + quoted(data) + " to " + quoted(path) + ": " + why, 128);
        }
        case PlanOp::rlimit: {
            std::string resource = std::to_string(in.number());
            return error("error setting rlimits for resource " + resource + ": " + why, 126);
        }
        case PlanOp::write_lines: {
            in.number();
            return error("failed to write " + quoted(in.string()) + ": " + why, 128);
        }
        case PlanOp::device_filter: return error("error loading the device filter: " + why, 128);
        case PlanOp::overlay: return error("error mounting the root filesystem (overlay): " + why, 128);
        case PlanOp::make_dir: {
            in.number();
            std::string path = in.string();
            return error("mkdir " + path + ": " + why, 128);
        }
        case PlanOp::make_node: {
            in.number();
            in.number();
            std::string path = in.string();
            return error("error creating device nodes: mknod " + path + ": " + why, 126);
        }
        case PlanOp::symlink: return error("error creating device nodes: symlink: " + why, 126);
        case PlanOp::mask: return error("can't mask path " + quoted(in.string()) + ": " + why, 128);
        case PlanOp::readonly_path: return error("can't make " + quoted(in.string()) + " read-only: " + why, 128);
        case PlanOp::seccomp: return error("error loading seccomp filter into kernel: " + why, 128);
        case PlanOp::hostname: return error("sethostname: " + why, 128);
        case PlanOp::domainname: return error("setdomainname: " + why, 128);
        case PlanOp::unshare:
        case PlanOp::join:
        case PlanOp::setns_fd:
        case PlanOp::setns_path: return error("namespaces: " + why, 128);
        case PlanOp::loopback: return error("bringing up the loopback interface: " + why, 128);
        case PlanOp::pivot: return error("pivot_root: " + why, 128);
        case PlanOp::terminal:
        case PlanOp::pty:
        case PlanOp::terminal_open: return error("setting up the console: " + why, 128);
        case PlanOp::bounding:
        case PlanOp::capabilities: return error("unable to apply caps: " + why, 126);
        case PlanOp::become:
            if (where == LaunchStep::set_groups) return error("setgroups: " + why, 126);
            if (where == LaunchStep::set_gid) return error("setgid: " + why, 126);
            return error("setuid: " + why, 126);
        default: return error("operation " + std::to_string(failure.op_index) + ": " + why, 128);
    }
}

}  // namespace engine::runtime
