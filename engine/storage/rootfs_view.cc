#include "engine/storage/rootfs_view.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <simdjson.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/confine.h"
#include "engine/storage/path_in_root.h"

namespace engine::storage {
namespace {

constexpr std::size_t options_bytes_max = 4096;  // a page is what mount(2) takes

UniqueFd clone_mount(int folder, const char* path, unsigned flags) {
    flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    return UniqueFd(static_cast<int>(::syscall(SYS_open_tree, folder, path, flags)));
}

// No device is opened and nothing executed through a view.
Result<void> tame(int mount, bool read_only, bool recursive) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    if (read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
    const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
    if (::syscall(SYS_mount_setattr, mount, "", flags, &attributes, sizeof attributes) != 0)
        return fail_errno(errno, "set a mount's attributes");
    return {};
}

Result<void> attach(int mount, int target) {
    if (::syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return fail_errno(errno, "attach a mount");
    return {};
}

// The running container's root mount, without what is mounted below it.
Result<UniqueFd> root_of_process() {
    const UniqueFd own(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    if (!own) return fail_errno(errno, "open own mount namespace");
    if (::setns(view_process_fd, CLONE_NEWNS) != 0) {
        if (errno == ESRCH) return fail(ErrorKind::conflict, "the container has ended");
        return fail_errno(errno, "enter the container's mount namespace");
    }
    UniqueFd root = clone_mount(AT_FDCWD, "/", 0);
    const int failed = errno;
    if (::setns(own.get(), CLONE_NEWNS) != 0) return fail_errno(errno, "leave the container's mount namespace");
    if (!root) return fail_errno(failed, "take the container's root");
    return root;
}

std::string relative_to(const std::string& base, const std::string& path) {
    return path.starts_with(base + "/") ? path.substr(base.size() + 1) : path;
}

// Targets of binds may have to be made, which a start would have done.
bool writes_upper(const RootfsView& view) {
    return view.writable ||
           std::any_of(view.mounts.begin(), view.mounts.end(), [](const auto& mount) { return mount.of_user; });
}

// The layers of a container that does not run. Written to, it gets a work folder of its own: what is left there of a
// volatile mount must not be in the way of the container's next start, and without `volatile` the end of the mount
// would write out all that is dirty in the file system below.
Result<void> mount_overlay(const RootfsView& view, const std::string& target) {
    if (::chdir(view.data_root.c_str()) != 0) return fail_errno(errno, "chdir " + view.data_root);
    std::string lowers;
    const auto add = [&](const std::string& path) {
        lowers += (lowers.empty() ? "" : ":") + relative_to(view.data_root, path);
    };
    const bool writes = writes_upper(view);
    if (!writes) add(view.rootfs.upper);
    for (const auto& lower : view.rootfs.lowers) add(lower);
    std::string options = "lowerdir=" + lowers;
    if (writes) {
        if (::mkdir(view.work.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + view.work);
        options += ",upperdir=" + relative_to(view.data_root, view.rootfs.upper) +
                   ",workdir=" + relative_to(view.data_root, view.work) + ",volatile";
    }
    if (options.size() >= options_bytes_max) return fail(ErrorKind::too_large, "the image has too many layers");
    if (::mount("overlay", target.c_str(), "overlay", writes ? 0 : MS_RDONLY, options.c_str()) != 0)
        return fail_errno(errno, "mount the container's file system");
    return {};
}

Result<void> mount_root(const RootfsView& view, const std::string& target) {
    if (view.rootfs.kind == RootfsPlan::Kind::directory) {
        const UniqueFd tree = clone_mount(AT_FDCWD, view.rootfs.directory.c_str(), 0);
        const UniqueFd place(::open(target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!tree || !place) return fail_errno(errno, "open " + view.rootfs.directory);
        return attach(tree.get(), place.get());
    }
    if (!view.running) return mount_overlay(view, target);
    TRY(const UniqueFd root, root_of_process());
    const UniqueFd place(::open(target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place) return fail_errno(errno, "open " + target);
    return attach(root.get(), place.get());
}

// Where a bind goes; made as a start would make it where it can be.
Result<UniqueFd> mount_target(int root, const RootfsViewMount& mount, bool is_folder) {
    UniqueFd target(open_in(root, mount.target.c_str(), O_PATH));
    if (!target && errno == ENOENT) {
        TRY_VOID(make_folders(root, is_folder ? mount.target : mount.target.substr(0, mount.target.rfind('/'))));
        if (!is_folder) {
            const UniqueFd made(open_in(root, mount.target.c_str(), O_WRONLY | O_CREAT, 0755));
            if (!made) return fail_errno(errno, "create " + mount.target);
        }
        target.reset(open_in(root, mount.target.c_str(), O_PATH));
    }
    if (!target) return fail_errno(errno, "open " + mount.target);
    return target;
}

Result<void> attach_binds(const RootfsView& view, int root) {
    std::vector<RootfsViewMount> mounts = view.mounts;
    std::stable_sort(mounts.begin(), mounts.end(), [](const auto& a, const auto& b) {
        return std::count(a.target.begin(), a.target.end(), '/') < std::count(b.target.begin(), b.target.end(), '/');
    });
    for (const auto& mount : mounts) {
        struct stat facts {};
        if (::stat(mount.source.c_str(), &facts) != 0) {
            if (errno == ENOENT) continue;  // never started: a bind's source is made by the start
            return fail_errno(errno, "stat " + mount.source);
        }
        const unsigned recursive = mount.recursive ? AT_RECURSIVE : 0u;
        const UniqueFd source = clone_mount(AT_FDCWD, mount.source.c_str(), recursive);
        if (!source) return fail_errno(errno, "open " + mount.source);
        TRY_VOID(tame(source.get(), mount.read_only || !view.writable, mount.recursive));
        TRY(const UniqueFd target, mount_target(root, mount, S_ISDIR(facts.st_mode)));
        TRY_VOID(attach(source.get(), target.get()));
    }
    return {};
}

bool lies_in(std::string_view path, std::string_view folder) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
    return folder == "/" || path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

}  // namespace

std::string RootfsView::text() const {
    json::Writer w;
    w.begin_object().field("directory", rootfs.directory).field("upper", rootfs.upper).field("lowers", rootfs.lowers);
    w.field("data_root", data_root).field("work", work).field("running", running).field("writable", writable);
    w.field("read_only_rootfs", read_only_rootfs).key("mounts").begin_array();
    for (const auto& mount : mounts) {
        w.begin_object().field("source", mount.source).field("target", mount.target);
        w.field("read_only", mount.read_only).field("recursive", mount.recursive).field("of_user", mount.of_user);
        w.end_object();
    }
    return w.end_array().end_object().take();
}

Result<RootfsView> RootfsView::parse(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "the view is malformed");
    const auto word = [](simdjson::dom::element at, const char* key) {
        std::string_view out;
        return at[key].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
    };
    const auto flag = [](simdjson::dom::element at, const char* key) {
        bool out = false;
        return at[key].get(out) == simdjson::SUCCESS && out;
    };
    RootfsView view;
    view.rootfs.directory = word(root, "directory");
    view.rootfs.upper = word(root, "upper");
    view.rootfs.kind = view.rootfs.directory.empty() ? RootfsPlan::Kind::overlay : RootfsPlan::Kind::directory;
    view.data_root = word(root, "data_root");
    view.work = word(root, "work");
    view.running = flag(root, "running");
    view.writable = flag(root, "writable");
    view.read_only_rootfs = flag(root, "read_only_rootfs");
    simdjson::dom::array list;
    if (root["lowers"].get(list) != simdjson::SUCCESS) return fail(ErrorKind::internal, "the view is malformed");
    for (const auto item : list) {
        std::string_view lower;
        if (item.get(lower) == simdjson::SUCCESS) view.rootfs.lowers.emplace_back(lower);
    }
    if (root["mounts"].get(list) != simdjson::SUCCESS) return fail(ErrorKind::internal, "the view is malformed");
    for (const auto item : list)
        view.mounts.push_back({word(item, "source"), word(item, "target"), flag(item, "read_only"),
                               flag(item, "recursive"), flag(item, "of_user")});
    return view;
}

Result<UniqueFd> enter_view(const RootfsView& view) {
    TRY_VOID(leave_host_mounts());
    const std::string target = view.data_root + "/rootfs";
    TRY_VOID(mount_root(view, target));
    UniqueFd root(::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno(errno, "open " + target);
    TRY_VOID(tame(root.get(), false, false));
    TRY_VOID(attach_binds(view, root.get()));
    if (!view.writable) {
        TRY_VOID(tame(root.get(), true, false));
    }
    if (::fchdir(root.get()) != 0 || ::chroot(".") != 0) return fail_errno(errno, "chroot into the container");
    TRY_VOID(lock_in());
    return root;
}

Result<void> check_writable(const RootfsView& view, std::string_view path) {
    bool in_volume = false;
    for (const auto& mount : view.mounts) {
        if (!mount.of_user || !lies_in(path, mount.target)) continue;
        if (mount.read_only) return fail(ErrorKind::invalid, "mounted volume is marked read-only");
        in_volume = true;
    }
    if (!in_volume && view.read_only_rootfs)
        return fail(ErrorKind::invalid, "container rootfs is marked read-only");
    return {};
}

}  // namespace engine::storage
