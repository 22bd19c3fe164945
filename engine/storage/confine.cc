#include "engine/storage/confine.h"

#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

// CAP_SYS_ADMIN is what trusted.overlay.* costs; mounting and the like are closed by the seccomp list.
constexpr unsigned kept_capabilities[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                          CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP,         CAP_SYS_ADMIN};

constexpr int allowed_calls[] = {SCMP_SYS(read),
                                 SCMP_SYS(readv),
                                 SCMP_SYS(pread64),
                                 SCMP_SYS(write),
                                 SCMP_SYS(writev),
                                 SCMP_SYS(pwrite64),
                                 SCMP_SYS(close),
                                 SCMP_SYS(close_range),
                                 SCMP_SYS(lseek),
                                 SCMP_SYS(fcntl),
                                 SCMP_SYS(dup),
                                 SCMP_SYS(openat),
                                 SCMP_SYS(openat2),
                                 SCMP_SYS(fstat),
                                 SCMP_SYS(newfstatat),
                                 SCMP_SYS(lstat),
                                 SCMP_SYS(stat),
                                 SCMP_SYS(statx),
                                 SCMP_SYS(fchown),
                                 SCMP_SYS(fchownat),
                                 SCMP_SYS(fchmod),
                                 SCMP_SYS(fchmodat),
                                 SCMP_SYS(utimensat),
                                 SCMP_SYS(mkdirat),
                                 SCMP_SYS(mknodat),
                                 SCMP_SYS(symlinkat),
                                 SCMP_SYS(linkat),
                                 SCMP_SYS(unlinkat),
                                 SCMP_SYS(rmdir),
                                 SCMP_SYS(unlink),
                                 SCMP_SYS(renameat),
                                 SCMP_SYS(renameat2),
                                 SCMP_SYS(readlinkat),
                                 SCMP_SYS(getdents64),
                                 SCMP_SYS(ftruncate),
                                 SCMP_SYS(fsetxattr),
                                 SCMP_SYS(fgetxattr),
                                 SCMP_SYS(flistxattr),
                                 SCMP_SYS(copy_file_range),
                                 SCMP_SYS(sendfile),
                                 SCMP_SYS(ioctl),
                                 SCMP_SYS(mmap),
                                 SCMP_SYS(munmap),
                                 SCMP_SYS(mremap),
                                 SCMP_SYS(mprotect),
                                 SCMP_SYS(madvise),
                                 SCMP_SYS(brk),
                                 SCMP_SYS(futex),
                                 SCMP_SYS(getrandom),
                                 SCMP_SYS(clock_gettime),
                                 SCMP_SYS(gettid),
                                 SCMP_SYS(getpid),
                                 SCMP_SYS(sched_yield),
                                 SCMP_SYS(rt_sigreturn),
                                 SCMP_SYS(rt_sigaction),
                                 SCMP_SYS(rt_sigprocmask),
                                 SCMP_SYS(tgkill),
                                 SCMP_SYS(sigaltstack),
                                 SCMP_SYS(restart_syscall),
                                 SCMP_SYS(exit),
#ifdef __SANITIZE_ADDRESS__
                                 SCMP_SYS(pipe2),  // its run time asks by a pipe whether an address can be read
#endif
                                 SCMP_SYS(exit_group)};

Result<void> drop_capabilities() {
    uint64_t keep = 0;
    for (unsigned capability : kept_capabilities) keep |= uint64_t{1} << capability;
    for (unsigned capability = 0; capability < 64; capability++) {
        if ((keep >> capability & 1) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EINVAL)
            break;
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) != 0) return fail_errno(errno, "read own capabilities");
    for (unsigned i = 0; i < 2; i++) {
        data[i].permitted &= static_cast<uint32_t>(keep >> (32 * i));
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    if (::syscall(SYS_capset, &header, data) != 0) return fail_errno(errno, "drop capabilities");
    return {};
}

Result<void> close_system_calls() {
    const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == nullptr) return fail(ErrorKind::kernel, "seccomp: no filter");
    int failed = 0;
    for (int call : allowed_calls) {
        const int done = ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
        if (done != 0) failed = done;
    }
    if (failed == 0) failed = ::seccomp_load(filter);
    ::seccomp_release(filter);
    if (failed != 0) return fail_errno(-failed, "seccomp");
    return {};
}

}  // namespace

Result<void> leave_host_mounts() {
    ::umask(0);
#ifndef __SANITIZE_ADDRESS__  // its shadow alone is larger
    const rlimit memory{limits::worker_memory_bytes_max, limits::worker_memory_bytes_max};
    if (::setrlimit(RLIMIT_DATA, &memory) != 0) return fail_errno(errno, "limit the worker's memory");
#endif
    if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "own mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return fail_errno(errno, "private mounts");
    return {};
}

Result<void> lock_in() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "no_new_privs");
    TRY_VOID(drop_capabilities());
    return close_system_calls();
}

Result<void> confine_to(const char* folder) {
    TRY_VOID(leave_host_mounts());
    if (::chdir(folder) != 0 || ::chroot(".") != 0) return fail_errno(errno, std::string("chroot into ") + folder);
    return lock_in();
}

}  // namespace engine::storage
