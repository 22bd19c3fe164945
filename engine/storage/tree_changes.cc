#include "engine/storage/tree_changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <set>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"
#include "engine/storage/tree.h"
#include "engine/storage/tree_pack.h"

namespace engine::storage {
namespace {

bool is_whiteout(const struct stat& facts) {
    return S_ISCHR(facts.st_mode) && facts.st_rdev == 0;
}

std::string capability_of(int folder, const char* name) {
    const UniqueFd fd(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    char value[64];
    const ssize_t size = fd ? ::fgetxattr(fd.get(), "security.capability", value, sizeof value) : -1;
    return size > 0 ? std::string(value, static_cast<size_t>(size)) : std::string();
}

struct Pair {
    int tree;                        // the folder in the container's tree
    const char* name;
    const struct stat& now;
    const MergedFolder::Item& then;  // what the layers below show
};

// Inodes, change times and block counts say nothing: copying changes them.
bool differ(const Pair& pair) {
    const struct stat& a = pair.now;
    const struct stat& b = pair.then.facts;
    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev) return true;
    if (!S_ISDIR(a.st_mode) && (a.st_size != b.st_size || a.st_mtim.tv_sec != b.st_mtim.tv_sec ||
                                a.st_mtim.tv_nsec != b.st_mtim.tv_nsec))
        return true;
    if (!S_ISREG(a.st_mode)) return false;
    return capability_of(pair.tree, pair.name) != capability_of(pair.then.folder, pair.name);
}

// Does the folder stand for itself: nothing below it shines through?
bool is_alone(int folder, TreeKind kind) {
    if (kind == TreeKind::whole) return true;
    char mark = 'n';
    return ::fgetxattr(folder, "trusted.overlay.opaque", &mark, 1) == 1 && mark == 'y';
}

class ChangeWalk {
public:
    explicit ChangeWalk(std::vector<Change>& out) : out_(out) {}
    Result<void> folder(int tree, const MergedFolder& below, TreeKind kind, const std::string& path, size_t depth);

private:
    Result<void> item(int tree, const std::string& name, const MergedFolder& below, TreeKind kind,
                      const std::string& path, size_t depth);

    std::vector<Change>& out_;
};

Result<void> ChangeWalk::item(int tree, const std::string& name, const MergedFolder& below, TreeKind kind,
                              const std::string& path, size_t depth) {
    struct stat now {};
    if (::fstatat(tree, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<void>() : Result<void>(fail_errno(errno, "stat " + path));
    TRY(const auto then, below.find(name.c_str()));
    if (is_whiteout(now)) {
        if (then) out_.push_back({path, ChangeKind::deleted});
        return {};
    }
    const size_t at = out_.size();
    if (!then) {
        out_.push_back({path, ChangeKind::added});
    } else if (differ({tree, name.c_str(), now, *then})) {
        out_.push_back({path, ChangeKind::modified});
    }
    if (!S_ISDIR(now.st_mode)) return {};
    const UniqueFd fd(::openat(tree, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno == ENOENT ? Result<void>() : Result<void>(fail_errno(errno, "open " + path));
    MergedFolder inside;
    if (then) {
        TRY(inside, below.enter(name.c_str()));
    }
    const size_t own = out_.size();
    TRY_VOID(folder(fd.get(), inside, kind, path, depth + 1));
    if (out_.size() > own && own == at)
        out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(at), {path, ChangeKind::modified});
    return {};
}

Result<void> ChangeWalk::folder(int tree, const MergedFolder& below, TreeKind kind, const std::string& path,
                                size_t depth) {
    if (depth > limits::tree_depth_max) return fail(ErrorKind::too_large, "folders are nested too deeply: " + path);
    TRY(const auto names, sorted_names(tree));
    const bool alone = is_alone(tree, kind);
    std::set<std::string> all(names.begin(), names.end());
    std::set<std::string> gone;
    if (alone) {
        TRY(const auto had, below.names());
        for (const auto& name : had)
            if (all.insert(name).second) gone.insert(name);
    }
    for (const auto& name : all) {
        if (gone.contains(name)) {
            out_.push_back({path + "/" + name, ChangeKind::deleted});
        } else {
            TRY_VOID(item(tree, name, below, alone ? TreeKind::whole : kind, path + "/" + name, depth));
        }
    }
    return {};
}

// A whole tree's differences, as a layer.
class LayerMaker {
public:
    // True when anything was made under `into`.
    Result<bool> folder(int tree, const MergedFolder& below, int into, size_t depth);

private:
    Result<bool> item(int tree, const std::string& name, const MergedFolder& below, int into, size_t depth);
    Result<void> whiteout(int into, const std::string& name);

    TreeCopier copier_{true};
};

Result<void> LayerMaker::whiteout(int into, const std::string& name) {
    if (::mknodat(into, name.c_str(), S_IFCHR, 0) == 0) return {};
    if (errno != EPERM) return fail_errno(errno, "whiteout " + name);
    const UniqueFd mark(::openat(into, (".wh." + name).c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!mark) return fail_errno(errno, "whiteout " + name);
    return {};
}

Result<bool> LayerMaker::item(int tree, const std::string& name, const MergedFolder& below, int into, size_t depth) {
    struct stat now {};
    if (::fstatat(tree, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return false;
        return fail_errno(errno, "stat " + name);
    }
    TRY(const auto then, below.find(name.c_str()));
    const bool changed = !then || differ({tree, name.c_str(), now, *then});
    if (!S_ISDIR(now.st_mode) || !then || !S_ISDIR(then->facts.st_mode)) {
        if (changed) {
            TRY_VOID(copier_.one(tree, into, name.c_str()));
        }
        return changed;
    }
    const UniqueFd from(::openat(tree, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!from) return fail_errno(errno, "open " + name);
    if (::mkdirat(into, name.c_str(), 0700) != 0) return fail_errno(errno, "mkdir " + name);
    const UniqueFd to(::openat(into, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!to) return fail_errno(errno, "open " + name);
    TRY(const MergedFolder inside, below.enter(name.c_str()));
    TRY(const bool made, folder(from.get(), inside, to.get(), depth + 1));
    if (!made && !changed) {
        if (::unlinkat(into, name.c_str(), AT_REMOVEDIR) != 0) return fail_errno(errno, "rmdir " + name);
        return false;
    }
    TRY_VOID(copier_.attributes(tree, into, name.c_str()));
    return true;
}

Result<bool> LayerMaker::folder(int tree, const MergedFolder& below, int into, size_t depth) {
    if (depth > limits::tree_depth_max) return fail(ErrorKind::too_large, "folders are nested too deeply");
    bool made = false;
    TRY(const auto names, sorted_names(tree));
    for (const auto& name : names) {
        TRY(const bool changed, item(tree, name, below, into, depth));
        made = made || changed;
    }
    TRY(const auto had, below.names());
    for (const auto& name : had) {
        if (std::binary_search(names.begin(), names.end(), name)) continue;
        TRY_VOID(whiteout(into, name));
        made = true;
    }
    return made;
}

}  // namespace

Result<std::vector<Change>> changes_of(int tree, const MergedFolder& below, TreeKind kind) {
    std::vector<Change> out;
    TRY_VOID(ChangeWalk(out).folder(tree, below, kind, "", 0));
    return out;
}

Result<bool> make_layer(int tree, const MergedFolder& below, TreeKind kind, int into) {
    if (kind == TreeKind::whole) return LayerMaker().folder(tree, below, into, 0);
    TRY(const auto names, sorted_names(tree));
    TRY_VOID(apply_layer(tree, into, true));
    return !names.empty();
}

}  // namespace engine::storage
