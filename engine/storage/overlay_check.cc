#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/reactor/try.h"
#include "engine/storage/storage_backend.h"
#include "engine/storage/tree.h"

namespace engine::storage {
namespace {

// The marks a layer is made of, tried by name and not by what the file system is.
Result<void> check_marks(int home) {
    if (::mknodat(home, "upper/whiteout", S_IFCHR, 0) != 0) return fail_errno(errno, "make a whiteout");
    if (::unlinkat(home, "upper/whiteout", 0) != 0) return fail_errno(errno, "remove a whiteout");
    const UniqueFd upper(::openat(home, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!upper) return fail_errno(errno, "open the upper folder");
    if (::fsetxattr(upper.get(), "trusted.overlay.opaque", "n", 1, 0) != 0)
        return fail_errno(errno, "set trusted.overlay.opaque");
    return {};
}

Result<void> check_in(int home) {
    for (const char* folder : {"lower", "upper", "work"})
        if (::mkdirat(home, folder, 0700) != 0) return fail_errno(errno, std::string("mkdir ") + folder);
    TRY_VOID(check_marks(home));
    const UniqueFd fs(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!fs) return fail_errno(errno, "overlay");
    const std::string base = "/proc/self/fd/" + std::to_string(home);  // whatever the data root's name is made of
    const auto set = [&](const char* key, const std::string& folder) {
        return ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_STRING, key, (base + folder).c_str(), 0);
    };
    // volatile: without it the end of an overlay writes out all that is dirty in the file system below.
    if (set("lowerdir", "/lower") != 0 || set("upperdir", "/upper") != 0 || set("workdir", "/work") != 0 ||
        ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0 ||
        ::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno(errno, "overlay");
    const UniqueFd mounted(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mounted) return fail_errno(errno, "overlay");
    struct statvfs facts {};  // where its work folder does not do, overlay goes on read-only
    if (::fstatvfs(mounted.get(), &facts) != 0 || (facts.f_flag & ST_RDONLY) != 0)
        return fail(ErrorKind::kernel, "overlay would be read-only");
    return {};
}

}  // namespace

Result<void> check_overlay(const std::string& data_root) {
    const std::string tmp = data_root + "/tmp";
    if (::mkdir(tmp.c_str(), 0711) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + tmp);
    std::string home = tmp + "/overlay-check-XXXXXX";
    if (::mkdtemp(home.data()) == nullptr) return fail_errno(errno, "mkdir " + home);
    Result<void> checked;
    {
        const UniqueFd folder(::open(home.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        checked = folder ? check_in(folder.get()) : Result<void>(fail_errno(errno, "open " + home));
    }
    TRY_VOID(remove_tree_at(AT_FDCWD, home.c_str()));
    return checked;
}

}  // namespace engine::storage
