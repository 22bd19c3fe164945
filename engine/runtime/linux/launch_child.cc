// Interprets the launch plan. Runs in a forked copy of the keeper: no allocation, no locks, nothing decided here that
// the engine could have decided. After `pivot` every path is resolved inside the container's own root, so symlinks of
// an image lead nowhere else; what comes from the host was opened before (bind_open) and is attached by descriptor.
#include "engine/runtime/linux/launch_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/runtime/linux/launch_child_stdio.h"
#include "engine/runtime/linux/keeper_devices.h"
#include "engine/runtime/linux/passwd.h"
#include "engine/runtime/linux/plan.h"

// From sys/mount.h, which cannot be included beside linux/mount.h with this libc.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;

namespace engine::runtime {
namespace {

constexpr int kDetach = 2;  // MNT_DETACH
constexpr unsigned kMoveEmptyPaths = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
constexpr size_t kTextLimit = 1 << 20;  // /etc/passwd and /etc/group are read up to here
constexpr size_t kVectorLimit = 32768;  // argv or envp

int status_fd = -1;
int target_fd = -1;  // a network namespace or a pidfd: see ChildFds
uint32_t op_index = 0;
int slots[kBindSlots];

char passwd_text[kTextLimit];
char group_text[kTextLimit];
char home_variable[4096] = "HOME=/";
ResolvedUser user;
const char* vector[kVectorLimit];

[[noreturn]] void die(LaunchStep step, int error, uint32_t detail = 0) {
    LaunchFailure failure{op_index, static_cast<uint32_t>(step), error, detail};
    ssize_t ignored = write(status_fd, &failure, sizeof failure);
    static_cast<void>(ignored);
    _exit(127);
}

long open_at(const char* path, uint64_t flags, uint64_t resolve) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = resolve;
    return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

int make_parents(const char* path, mode_t mode, bool last_too) {
    // Mostly only the last is missing.
    if (last_too && (mkdir(path, mode) == 0 || errno == EEXIST)) return 0;
    char copy[4096];
    size_t length = strlen(path);
    if (length >= sizeof copy) return ENAMETOOLONG;
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i < length; ++i) {
        if (copy[i] != '/') continue;
        copy[i] = 0;
        if (mkdir(copy, mode) != 0 && errno != EEXIST && errno != EROFS) return errno;
        copy[i] = '/';
    }
    if (last_too && mkdir(copy, mode) != 0 && errno != EEXIST) return errno;
    return 0;
}

int make_directory(const char* path, mode_t mode, uint16_t flags) {
    if (mkdir(path, mode) == 0) return 0;
    if (errno == EEXIST && (flags & (kOpExistOk | kOpParents))) return 0;
    if (errno == ENOENT && (flags & kOpParents)) return make_parents(path, mode, true);
    return errno;
}

int write_file(const char* path, const char* data) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    size_t length = strlen(data);
    ssize_t written = write(fd, data, length);
    int error = written < 0 ? errno : 0;
    close(fd);
    return error;
}

// Files of the kernel that take one record with each write.
int write_lines(PlanReader& in) {
    uint64_t count = in.number();
    int fd = open(in.string(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int error = 0;
    for (uint64_t i = 0; i < count && error == 0; ++i) {
        const char* line = in.string();
        if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
        if (write(fd, line, strlen(line)) < 0) error = errno;
    }
    close(fd);
    return error;
}

// A file to mount on. The path may be a symlink to a name that does not exist yet (/etc/resolv.conf often is).
int make_file(const char* path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd >= 0) return close(fd), 0;
    if (errno != ENOENT) return errno;
    int error = make_parents(path, 0755, false);
    if (error != 0) return error;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0 && errno == ENOENT) {
        char link[4096];
        ssize_t length = readlink(path, link, sizeof link - 1);
        if (length <= 0 || link[0] != '/') return ENOENT;
        link[length] = 0;
        error = make_parents(link, 0755, false);
        if (error != 0) return error;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    }
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

void mount_overlay(PlanReader& in) {
    uint64_t count = in.number();
    const char* base = in.string();
    const char* target = in.string();
    const char* upper = in.string();
    const char* work = in.string();
    if (!in.ok() || count == 0) die(LaunchStep::bad_plan, EINVAL);
    if (chdir(base) != 0) die(LaunchStep::open_source, errno);

    char options[4096];
    size_t used = 0;
    bool fits = true;
    auto append = [&](const char* text) {
        size_t length = strlen(text);
        if (used + length >= sizeof options) {
            fits = false;
            return;
        }
        memcpy(options + used, text, length + 1);
        used += length;
    };
    PlanReader lowers = in;
    append("lowerdir=");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
        if (i != 0) append(":");
        append(in.string());
    }
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (upper[0] != 0) {
        append(",upperdir=");
        append(upper);
        append(",workdir=");
        append(work);
    }
    if (fits) {
        if (mount("overlay", target, "overlay", 0, options) != 0) die(LaunchStep::call, errno);
        return;
    }
    // More layers than a page of options holds: one fsconfig a layer (kernel 6.8).
    int fs = static_cast<int>(syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
    if (fs < 0) die(LaunchStep::call, errno);
    for (uint64_t i = 0; i < count; ++i) {
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", lowers.string(), 0) != 0) {
            die(LaunchStep::call, errno == EINVAL ? E2BIG : errno);
        }
    }
    if (upper[0] != 0) {
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) != 0 ||
            syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "workdir", work, 0) != 0) {
            die(LaunchStep::call, errno);
        }
    }
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) die(LaunchStep::call, errno);
    int mounted = static_cast<int>(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
    if (mounted < 0) die(LaunchStep::call, errno);
    if (syscall(SYS_move_mount, mounted, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        die(LaunchStep::call, errno);
    }
    close(mounted);
    close(fs);
}

void bind_root(PlanReader& in) {
    uint64_t flags = in.number();
    const char* source = in.string();
    const char* target = in.string();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (mount(source, target, nullptr, MS_BIND | MS_REC, nullptr) != 0) die(LaunchStep::call, errno);
    if (mount(nullptr, target, nullptr, MS_PRIVATE | MS_REC | flags, nullptr) != 0) die(LaunchStep::call, errno);
}

void bind_open(PlanReader& in) {
    uint64_t slot = in.number();
    uint64_t attributes = in.number();
    uint64_t propagation = in.number();
    uint64_t recursive = in.number();
    const char* source = in.string();
    if (!in.ok() || slot >= kBindSlots) die(LaunchStep::bad_plan, EINVAL);
    unsigned deep = recursive ? AT_RECURSIVE : 0u;
    int tree = static_cast<int>(
        syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | static_cast<unsigned>(OPEN_TREE_CLOEXEC) | deep));
    if (tree < 0) die(LaunchStep::open_source, errno);
    mount_attr attr{};
    attr.attr_set = attributes;
    attr.propagation = propagation;
    // Read-only is for the mount itself, as Docker's `ro` is before it is asked to be recursive; propagation goes deep.
    if (attributes != 0 || propagation != 0) {
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) != 0) {
            die(LaunchStep::call, errno);
        }
    }
    slots[slot] = tree;
}

void open_terminal(PlanReader& in) {
    uint64_t slot = in.number();
    struct stat st {};
    if (!in.ok() || slot >= kBindSlots) die(LaunchStep::bad_plan, EINVAL);
    if (fstat(0, &st) != 0 || !S_ISCHR(st.st_mode)) die(LaunchStep::tty, ENOTTY);
    // The container's devpts is mounted, and nobody but us is in there yet.
    char path[64];
    snprintf(path, sizeof path, "/dev/pts/%u", minor(st.st_rdev));
    struct stat node {};
    if (stat(path, &node) != 0) die(LaunchStep::tty, errno);
    if (node.st_rdev != st.st_rdev || node.st_ino != st.st_ino) die(LaunchStep::tty, ENOTTY);
    int tree = static_cast<int>(
        syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | static_cast<unsigned>(OPEN_TREE_CLOEXEC)));
    if (tree < 0) die(LaunchStep::tty, errno);
    slots[slot] = tree;
}

void bind_attach(PlanReader& in, uint16_t flags) {
    uint64_t slot = in.number();
    uint64_t kind = in.number();
    const char* target = in.string();
    if (!in.ok() || slot >= kBindSlots || slots[slot] < 0) die(LaunchStep::bad_plan, EINVAL);
    int tree = slots[slot];
    long at = open_at(target, O_PATH, RESOLVE_NO_MAGICLINKS);
    if (at < 0 && errno == ENOENT && (flags & kOpMakeTarget)) {
        if (kind == kBindAsSource) {
            struct stat st {};
            if (fstat(tree, &st) != 0) die(LaunchStep::open_source, errno);
            kind = S_ISDIR(st.st_mode) ? kBindDirectory : kBindFile;
        }
        int error = kind == kBindDirectory ? make_parents(target, 0755, true) : make_file(target);
        if (error != 0) die(LaunchStep::make_target, error);
        at = open_at(target, O_PATH, RESOLVE_NO_MAGICLINKS);
    }
    if (at < 0) die(LaunchStep::open_target, errno);
    if (syscall(SYS_move_mount, tree, "", static_cast<int>(at), "", kMoveEmptyPaths) != 0) {
        int error = errno;
        // A folder on a file or a file on a folder: mount(2) had its own word for that.
        struct stat from {}, to {};
        bool differ = fstat(tree, &from) == 0 && fstat(static_cast<int>(at), &to) == 0 &&
                      S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode);
        die(LaunchStep::call, error == EINVAL && differ ? ENOTDIR : error);
    }
    close(static_cast<int>(at));
    close(tree);
    slots[slot] = -1;
}

void pivot(PlanReader& in) {
    const char* root = in.string();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (chdir(root) != 0) die(LaunchStep::open_target, errno);
    if (syscall(SYS_pivot_root, ".", ".") != 0) die(LaunchStep::call, errno);
    // The old root now lies over the new one at "."; it goes with everything the keeper could see.
    if (umount2(".", kDetach) != 0) die(LaunchStep::call, errno);
    if (chdir("/") != 0) die(LaunchStep::call, errno);
}

int mount_fs(PlanReader& in, uint16_t flags) {
    uint64_t mount_flags = in.number();
    uint64_t mode = in.number();
    const char* type = in.string();
    const char* source = in.string();
    const char* target = in.string();
    const char* options = in.string();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (flags & kOpNoSymlinks) {
        long at = open_at(target, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
        if (at < 0 && errno == ENOENT && (flags & kOpMakeTarget)) {
            int error = make_parents(target, static_cast<mode_t>(mode), true);
            if (error != 0) die(LaunchStep::make_target, error);
            at = open_at(target, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
        }
        if (at < 0) die(LaunchStep::open_target, errno);
        if (fchdir(static_cast<int>(at)) != 0) die(LaunchStep::open_target, errno);
        close(static_cast<int>(at));
        return mount(source, ".", type, mount_flags, options) == 0 ? 0 : errno;
    }
    if (mount(source, target, type, mount_flags, options) == 0) return 0;
    if (errno != ENOENT || !(flags & kOpMakeTarget)) return errno;
    int error = make_parents(target, static_cast<mode_t>(mode), true);
    if (error != 0) die(LaunchStep::make_target, error);
    return mount(source, target, type, mount_flags, options) == 0 ? 0 : errno;
}

int mask(const char* path) {
    if (mount("/dev/null", path, nullptr, MS_BIND, nullptr) == 0 || errno == ENOENT) return 0;
    if (errno != ENOTDIR && errno != EISDIR) return errno;
    return mount("tmpfs", path, "tmpfs", MS_RDONLY, "nr_inodes=1,size=4k") == 0 ? 0 : errno;
}

int set_attributes(const char* path, uint64_t attributes) {
    mount_attr attr{};
    attr.attr_set = attributes;
    return syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attr, sizeof attr) == 0 ? 0 : errno;
}

int readonly_path(const char* path) {
    if (mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) != 0) return errno == ENOENT ? 0 : errno;
    return set_attributes(path, MOUNT_ATTR_RDONLY);
}

int loopback_up() {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    ifreq request{};
    memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int error = ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
    close(fd);
    return error;
}

Text read_text(const char* path, char* buffer) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return Text{};
    struct stat st {};
    size_t used = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        while (used < kTextLimit) {
            ssize_t got = read(fd, buffer + used, kTextLimit - used);
            if (got <= 0) break;
            used += static_cast<size_t>(got);
        }
    }
    close(fd);
    return Text{buffer, used};
}

void find_user(PlanReader& in) {
    uint64_t count = in.number();
    uint64_t extra[64];
    if (count > 64) die(LaunchStep::bad_plan, EINVAL);
    for (uint64_t i = 0; i < count; ++i) extra[i] = in.number();
    const char* spec = in.string();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    Text passwd = read_text("/etc/passwd", passwd_text);
    Text group = read_text("/etc/group", group_text);
    switch (resolve_user(spec, passwd, group, user)) {
        case UserOutcome::ok: break;
        case UserOutcome::user_not_found: die(LaunchStep::user_not_found, ENOENT);
        case UserOutcome::group_not_found: die(LaunchStep::group_not_found, ENOENT);
        case UserOutcome::out_of_range: die(LaunchStep::id_out_of_range, ERANGE);
    }
    for (uint64_t i = 0; i < count; ++i) user.add_group(static_cast<uint32_t>(extra[i]));
    if (user.home.size != 0 && user.home.size < sizeof home_variable - 6) {
        memcpy(home_variable + 5, user.home.data, user.home.size);
        home_variable[5 + user.home.size] = 0;
    }
}

int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    for (int i = 0; i < 2; ++i) {
        data[i].permitted = static_cast<uint32_t>(permitted >> (32 * i));
        data[i].effective = static_cast<uint32_t>(effective >> (32 * i));
        data[i].inheritable = static_cast<uint32_t>(inheritable >> (32 * i));
    }
    return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

uint64_t permitted_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (syscall(SYS_capget, &header, data) != 0) return 0;
    return uint64_t{data[0].permitted} | uint64_t{data[1].permitted} << 32;
}

void drop_bounding(uint64_t keep) {
    for (unsigned cap = 0; cap < 64; ++cap) {
        if (keep >> cap & 1) continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) return;  // past the last one this kernel knows
        die(LaunchStep::bounding, errno, cap);
    }
}

void become() {
    int error = localize_null();
    if (error != 0) die(LaunchStep::null_device, error);
    gid_t groups[kMaxGroups];
    for (size_t i = 0; i < user.group_count; ++i) groups[i] = user.groups[i];
    if (user.uid != 0) {
        // The standard streams belong to the user, as far as they are the container's own.
        for (int fd = 0; fd < 3; ++fd) {
            struct stat st {};
            if (fstat(fd, &st) == 0 && !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))) {
                int ignored = fchown(fd, user.uid, static_cast<gid_t>(-1));
                static_cast<void>(ignored);
            }
        }
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) die(LaunchStep::keep_caps, errno);
    }
    if (syscall(SYS_setgroups, user.group_count, groups) != 0) die(LaunchStep::set_groups, errno);
    if (syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0) die(LaunchStep::set_gid, errno);
    if (syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) die(LaunchStep::set_uid, errno);
    if (user.uid != 0) {
        uint64_t kept = permitted_capabilities();
        error = set_capabilities(kept, kept, 0);
        if (error != 0) die(LaunchStep::set_caps, error);
    }
}

// What the keeper itself lacks nobody can be given: privileged means "all there are".
void apply_capabilities(PlanReader& in) {
    uint64_t have = permitted_capabilities();
    uint64_t permitted = in.number() & have;
    uint64_t inheritable = in.number() & have;
    uint64_t ambient = in.number() & permitted & inheritable;
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    int error = set_capabilities(permitted, permitted, inheritable);
    if (error != 0) die(LaunchStep::set_caps, error);
    for (unsigned cap = 0; cap < 64 && ambient >> cap != 0; ++cap) {
        if ((ambient >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0) {
            die(LaunchStep::set_caps, errno, cap);
        }
    }
}

void install_seccomp(PlanReader& in) {
    uint64_t flags = in.number();
    size_t size = in.remaining();
    if (!in.ok() || size == 0 || size % sizeof(sock_filter) != 0 || size / sizeof(sock_filter) > BPF_MAXINSNS) {
        die(LaunchStep::bad_plan, EINVAL);
    }
    // Numbers and operations are 8-aligned, so the instructions are where they may be read in place.
    sock_fprog program{static_cast<unsigned short>(size / sizeof(sock_filter)),
                       reinterpret_cast<sock_filter*>(const_cast<char*>(in.rest()))};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0) die(LaunchStep::call, errno);
}

void change_directory(PlanReader& in, uint16_t flags) {
    uint64_t mode = in.number();
    const char* path = in.string();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (chdir(path) != 0) {
        if (errno != ENOENT || (flags & kOpMustExist)) die(LaunchStep::call, errno);
        int error = make_parents(path, static_cast<mode_t>(mode), true);
        if (error != 0) die(LaunchStep::make_target, error);
        if (chdir(path) != 0) die(LaunchStep::call, errno);
    }
    // Nothing of the host is open here; if something were, /proc/self/fd could lead to it (CVE-2024-21626).
    char where[4096];
    long length = syscall(SYS_getcwd, where, sizeof where);
    if (length > 0 ? where[0] != '/' : errno != ERANGE) die(LaunchStep::outside_root, length > 0 ? EACCES : errno);
}

void join(PlanReader& in) {
    uint64_t flags = in.number();
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (setns(target_fd, static_cast<int>(flags)) != 0) die(LaunchStep::call, errno);
    close(target_fd);
    target_fd = -1;
}

void open_own_terminal(PlanReader& in) {
    unsigned rows = static_cast<unsigned>(in.number());
    unsigned columns = static_cast<unsigned>(in.number());
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    int error = make_terminal(rows, columns, status_fd);
    if (error != 0) die(LaunchStep::tty, error);
}

// What stands at `file` can be executed as far as can be seen: 0 or an errno, and where it comes from.
int executable(const char* file, LaunchStep& step) {
    struct stat st {};
    step = LaunchStep::open_target;
    if (stat(file, &st) != 0) return errno;
    step = LaunchStep::call;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return (st.st_mode & 0111) != 0 && faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
}

// From here on a failure is the process's own, told on its stderr: as it is with runc, which has looked, too, and has
// said that the process runs.
[[noreturn]] void become_program(const char* file, char* const* argv, char* const* envp) {
    execve(file, argv, envp);
    const char* why = strerror(errno);
    bool plain = why[0] >= 'A' && why[0] <= 'Z' && !(why[1] >= 'A' && why[1] <= 'Z');
    dprintf(2, "exec %s: %c%s\n", file, plain ? why[0] - 'A' + 'a' : why[0], why + 1);
    _exit(255);
}

[[noreturn]] void exec(PlanReader& in) {
    uint64_t arg_count = in.number();
    uint64_t env_count = in.number();
    if (arg_count == 0 || arg_count + env_count + 4 > kVectorLimit) die(LaunchStep::bad_plan, E2BIG);
    const char** args = vector;
    const char** env = vector + arg_count + 1;
    for (uint64_t i = 0; i < arg_count; ++i) args[i] = in.string();
    args[arg_count] = nullptr;
    const char* path = nullptr;
    bool has_home = false;
    for (uint64_t i = 0; i < env_count; ++i) {
        env[i] = in.string();
        if (strncmp(env[i], "PATH=", 5) == 0) path = env[i] + 5;
        if (strncmp(env[i], "HOME=", 5) == 0 && env[i][5] != 0) has_home = true;
    }
    if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    if (!has_home) env[env_count++] = home_variable;
    env[env_count] = nullptr;
    auto argv = const_cast<char* const*>(args);
    auto envp = const_cast<char* const*>(env);

    const char* file = args[0];
    LaunchStep step{};
    if (strchr(file, '/') != nullptr) {
        int error = executable(file, step);
        if (error != 0) die(step, error);
        become_program(file, argv, envp);
    }
    if (file[0] == 0 || path == nullptr) die(LaunchStep::not_found_in_path, ENOENT);
    while (true) {
        const char* end = strchrnul(path, ':');
        char candidate[4096];
        int length = end == path ? snprintf(candidate, sizeof candidate, "./%s", file)
                                 : snprintf(candidate, sizeof candidate, "%.*s/%s", static_cast<int>(end - path), path,
                                            file);
        if (length > 0 && static_cast<size_t>(length) < sizeof candidate && executable(candidate, step) == 0) {
            become_program(candidate, argv, envp);
        }
        if (*end == 0) break;
        path = end + 1;
    }
    die(LaunchStep::not_found_in_path, ENOENT);
}

// One operation; 0 or an errno of the plain kind.
int run(const PlanStep& step) {
    PlanReader in(step.payload, step.length);
    auto checked = [&in] {
        if (!in.ok()) die(LaunchStep::bad_plan, EINVAL);
    };
    auto outcome = [](long result) { return result == 0 ? 0 : errno; };
    switch (step.code) {
        case PlanOp::write_file: {
            const char* path = in.string();
            const char* data = in.string();
            checked();
            return write_file(path, data);
        }
        case PlanOp::make_dir: {
            mode_t mode = static_cast<mode_t>(in.number());
            const char* path = in.string();
            checked();
            return make_directory(path, mode, step.flags);
        }
        case PlanOp::cgroup_enter: return 0;   // done by the clone
        case PlanOp::device_filter: return 0;  // done before it
        case PlanOp::write_lines: return write_lines(in);
        case PlanOp::unshare: {
            uint64_t flags = in.number();
            checked();
            return outcome(unshare(static_cast<int>(flags)));
        }
        case PlanOp::setns_path: {
            uint64_t type = in.number();
            const char* path = in.string();
            checked();
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0) die(LaunchStep::open_source, errno);
            int error = outcome(setns(fd, static_cast<int>(type)));
            close(fd);
            return error;
        }
        case PlanOp::setns_fd: {
            uint64_t type = in.number();
            checked();
            return outcome(setns(target_fd, static_cast<int>(type)));
        }
        case PlanOp::propagation: {
            uint64_t flags = in.number();
            const char* path = in.string();
            checked();
            return outcome(mount(nullptr, path, nullptr, flags, nullptr));
        }
        case PlanOp::overlay: return mount_overlay(in), 0;
        case PlanOp::root_bind: return bind_root(in), 0;
        case PlanOp::bind_open: return bind_open(in), 0;
        case PlanOp::bind_attach: return bind_attach(in, step.flags), 0;
        case PlanOp::pivot: return pivot(in), 0;
        case PlanOp::mount_fs: return mount_fs(in, step.flags);
        case PlanOp::make_node: {
            mode_t mode = static_cast<mode_t>(in.number());
            dev_t device = in.number();
            const char* path = in.string();
            checked();
            int error = outcome(mknod(path, mode, device));
            return error == EEXIST && (step.flags & kOpExistOk) ? 0 : error;
        }
        case PlanOp::symlink: {
            const char* target = in.string();
            const char* path = in.string();
            checked();
            int error = outcome(symlink(target, path));
            return error == EEXIST && (step.flags & kOpExistOk) ? 0 : error;
        }
        case PlanOp::mask: {
            const char* path = in.string();
            checked();
            return mask(path);
        }
        case PlanOp::readonly_path: {
            const char* path = in.string();
            checked();
            return readonly_path(path);
        }
        case PlanOp::remount: {
            uint64_t attributes = in.number();
            const char* path = in.string();
            checked();
            return set_attributes(path, attributes);
        }
        case PlanOp::hostname: {
            const char* name = in.string();
            checked();
            return outcome(sethostname(name, strlen(name)));
        }
        case PlanOp::domainname: {
            const char* name = in.string();
            checked();
            return outcome(setdomainname(name, strlen(name)));
        }
        case PlanOp::rlimit: {
            uint64_t resource = in.number();
            rlimit limit{};
            limit.rlim_cur = in.number();
            limit.rlim_max = in.number();
            checked();
            return outcome(prlimit(0, static_cast<__rlimit_resource>(resource), &limit, nullptr));
        }
        case PlanOp::terminal_open: return open_terminal(in), 0;
        case PlanOp::terminal: return outcome(ioctl(0, TIOCSCTTY, 0));
        case PlanOp::loopback: return loopback_up();
        case PlanOp::umask: {
            uint64_t bits = in.number();
            checked();
            umask(static_cast<mode_t>(bits));
            return 0;
        }
        case PlanOp::directory: return change_directory(in, step.flags), 0;
        case PlanOp::user: return find_user(in), 0;
        case PlanOp::bounding: {
            uint64_t keep = in.number();
            checked();
            return drop_bounding(keep), 0;
        }
        case PlanOp::become: return become(), 0;
        case PlanOp::capabilities: return apply_capabilities(in), 0;
        case PlanOp::no_new_privs: return outcome(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        case PlanOp::seccomp: return install_seccomp(in), 0;
        case PlanOp::exec: exec(in);
        case PlanOp::join: return join(in), 0;
        case PlanOp::pty: return open_own_terminal(in), 0;
        case PlanOp::last_: break;
    }
    die(LaunchStep::bad_plan, EINVAL);
}

// 0, 1, 2 and the two descriptors the child still needs; everything else is closed here.
void place_descriptors(const ChildFds& fds, bool tty) {
    int from[5] = {fds.in, tty ? fds.in : fds.out, tty ? fds.in : fds.err, fds.status, fds.target};
    int null = -1;
    for (int i = 0; i < 3; ++i) {
        if (from[i] >= 0) continue;
        if (null < 0) null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0) die(LaunchStep::stdio, errno);
        from[i] = null;
    }
    // Above everything that will be overwritten, so that no dup2 hits a source.
    for (int i = 0; i < 5; ++i) {
        if (from[i] < 0) continue;
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
        if (from[i] < 0) die(LaunchStep::stdio, errno);
    }
    for (int i = 0; i < 3; ++i) {
        if (dup2(from[i], i) < 0) die(LaunchStep::stdio, errno);
    }
    if (dup3(from[3], 3, O_CLOEXEC) < 0) die(LaunchStep::stdio, errno);
    status_fd = 3;
    unsigned first_free = 4;
    if (from[4] >= 0) {
        if (dup3(from[4], 4, O_CLOEXEC) < 0) die(LaunchStep::stdio, errno);
        target_fd = 4;
        first_free = 5;
    }
    if (syscall(SYS_close_range, first_free, ~0u, 0) != 0) die(LaunchStep::stdio, errno);
}

}  // namespace

void launch_child(const char* plan, size_t size, const ChildFds& fds) {
    static_cast<void>(size);
    status_fd = fds.status;
    for (int& slot : slots) slot = -1;
    PlanHeader header;
    memcpy(&header, plan, sizeof header);
    place_descriptors(fds, (header.flags & kPlanTty) != 0);
    if (setsid() < 0) die(LaunchStep::tty, errno);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    umask(0);

    size_t at = sizeof header;
    for (op_index = 0; op_index < header.op_count; ++op_index) {
        PlanStep step = plan_next(plan, at);
        if (step.flags & kOpInKeeper) continue;
        int error = run(step);
        if (error != 0 && !(step.flags & kOpIgnoreErrors)) die(LaunchStep::call, error);
    }
    die(LaunchStep::bad_plan, EINVAL);  // a plan ends with exec
}

int launch_in_keeper(const char* plan, size_t size, int& cgroup_fd, LaunchFailure& failure) {
    static_cast<void>(size);
    PlanHeader header;
    memcpy(&header, plan, sizeof header);
    size_t at = sizeof header;
    for (uint32_t i = 0; i < header.op_count; ++i) {
        PlanStep step = plan_next(plan, at);
        if (!(step.flags & kOpInKeeper)) continue;
        PlanReader in(step.payload, step.length);
        int error = EINVAL;
        if (step.code == PlanOp::make_dir) {
            mode_t mode = static_cast<mode_t>(in.number());
            const char* path = in.string();
            if (in.ok()) error = make_directory(path, mode, step.flags);
        } else if (step.code == PlanOp::write_file) {
            const char* path = in.string();
            const char* data = in.string();
            if (in.ok()) error = write_file(path, data);
        } else if (step.code == PlanOp::cgroup_enter) {
            const char* path = in.string();
            if (cgroup_fd >= 0) close(cgroup_fd);
            cgroup_fd = in.ok() ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
            error = cgroup_fd >= 0 ? 0 : errno;
        } else if (step.code == PlanOp::device_filter) {
            size_t program_size = in.number();
            const char* program = in.take(program_size);
            const char* path = in.string();
            if (in.ok()) error = attach_device_filter(program, program_size, path);
        }
        if (error != 0 && !(step.flags & kOpIgnoreErrors)) {
            failure = LaunchFailure{i, static_cast<uint32_t>(LaunchStep::call), error, 0};
            return error;
        }
    }
    return 0;
}

}  // namespace engine::runtime
