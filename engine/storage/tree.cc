#include "engine/storage/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/limits.h"

#include <set>

namespace engine::storage {
namespace {

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Result<Dir> open_dir(int folder, const char* name) {
    const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno(errno, std::string("open ") + name);
    DIR* dir = ::fdopendir(fd);
    if (dir == nullptr) return fail_errno(errno, std::string("open ") + name);
    return Dir(dir);
}

bool is_dots(const char* name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

bool is_mark(const char* name) {
    return std::string_view(name).starts_with(".wh.") && name[4] != '\0' && !is_dots(name + 4);
}

Result<void> remove_below(int dir_fd, DIR* dir, int top, size_t depth);

// A folder too deep to be reached on a chain of open descriptors is moved up into the top folder, where the next pass
// finds it: there is no depth a container could hide behind.
Result<void> remove_folder(int folder, const char* name, int top, size_t depth) {
    if (depth > limits::removal_depth) {
        for (unsigned number = 0;; number++) {
            const std::string up = ".lifted-" + std::to_string(number);
            if (::renameat2(folder, name, top, up.c_str(), RENAME_NOREPLACE) == 0) return {};
            if (errno != EEXIST) return fail_errno(errno, std::string("remove ") + name);
        }
    }
    while (true) {
        TRY(const Dir dir, open_dir(folder, name));
        const int fd = ::dirfd(dir.get());
        TRY_VOID(remove_below(fd, dir.get(), top < 0 ? fd : top, depth));
        if (::unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
        if (errno != ENOTEMPTY || top >= 0) return fail_errno(errno, std::string("remove ") + name);
    }
}

Result<void> remove_below(int fd, DIR* dir, int top, size_t depth) {
    while (const dirent* item = ::readdir(dir)) {
        if (is_dots(item->d_name)) continue;
        if (item->d_type != DT_DIR) {
            if (::unlinkat(fd, item->d_name, 0) == 0 || errno == ENOENT) continue;
            if (errno != EISDIR) return fail_errno(errno, std::string("remove ") + item->d_name);
        }
        TRY_VOID(remove_folder(fd, item->d_name, top, depth + 1));
    }
    return {};
}

}  // namespace

class Copier {
public:
    explicit Copier(bool verbatim) : verbatim_(verbatim) {}
    Result<void> folder(int from, int into, size_t depth);
    Result<void> one(int from, int into, const char* name, size_t depth);
    Result<void> attributes(int from, const char* name, int into, const struct stat& source);

private:
    Result<void> contents(int from, int into, off_t size);

    std::map<std::pair<dev_t, ino_t>, std::pair<std::shared_ptr<UniqueFd>, std::string>> linked_;
    bool verbatim_;
};

namespace {

// Extended attributes go by /proc-free means only where a descriptor can be had: files and folders.
Result<void> copy_xattrs(int from, int into, bool verbatim) {
    std::string names(64 << 10, '\0');
    const ssize_t size = ::flistxattr(from, names.data(), names.size());
    if (size <= 0) return {};
    std::string value(limits::xattr_value_bytes_max, '\0');
    for (const char* name = names.data(); name < names.data() + size; name += std::string_view(name).size() + 1) {
        if (!verbatim && std::string_view(name).starts_with("trusted.overlay.")) continue;
        const ssize_t length = ::fgetxattr(from, name, value.data(), value.size());
        if (length < 0) continue;
        if (::fsetxattr(into, name, value.data(), static_cast<size_t>(length), 0) != 0 && errno != EOPNOTSUPP &&
            errno != EPERM)
            return fail_errno(errno, std::string("set ") + name);
    }
    return {};
}

}  // namespace

Result<void> Copier::contents(int from, int into, off_t size) {
    if (size == 0 || ::ioctl(into, FICLONE, from) == 0) return {};
    off_t at = 0;
    std::string buffer;
    while (at < size) {
        const off_t data = ::lseek(from, at, SEEK_DATA);
        if (data < 0) break;  // a hole to the end
        off_t hole = ::lseek(from, data, SEEK_HOLE);
        if (hole < 0) hole = size;
        off_t in = data;
        off_t out = data;
        while (in < hole) {
            const ssize_t put = ::copy_file_range(from, &in, into, &out, static_cast<size_t>(hole - in), 0);
            if (put > 0) continue;
            if (put < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
                return fail_errno(errno, "copy");
            buffer.resize(128 << 10);
            const ssize_t got = ::pread(from, buffer.data(), buffer.size(), in);
            if (got < 0) return fail_errno(errno, "read");
            if (got == 0) return {};
            const ssize_t written = ::pwrite(into, buffer.data(), static_cast<size_t>(got), out);
            if (written < 0) return fail_errno(errno, "write");
            in += written;
            out += written;
        }
        at = hole;
    }
    if (::ftruncate(into, size) != 0) return fail_errno(errno, "truncate");
    return {};
}

Result<void> Copier::attributes(int from, const char* name, int into, const struct stat& source) {
    if (::fchownat(into, name, source.st_uid, source.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, std::string("chown ") + name);
    if (S_ISREG(source.st_mode) || S_ISDIR(source.st_mode)) {
        const UniqueFd a(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        const UniqueFd b(::openat(into, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!a || !b) return fail_errno(errno, std::string("open ") + name);
        TRY_VOID(copy_xattrs(a.get(), b.get(), verbatim_));
    }
    if (!S_ISLNK(source.st_mode) && ::fchmodat(into, name, source.st_mode & 07777, 0) != 0)
        return fail_errno(errno, std::string("chmod ") + name);
    const timespec times[2] = {source.st_mtim, source.st_mtim};
    if (::utimensat(into, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, std::string("set times of ") + name);
    return {};
}

Result<void> Copier::one(int from, int into, const char* name, size_t depth) {
    struct stat source {};
    if (::fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, std::string("stat ") + name);
    struct stat there {};
    const bool exists = ::fstatat(into, name, &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (S_ISSOCK(source.st_mode)) return {};
    if (!verbatim_ && S_ISCHR(source.st_mode) && source.st_rdev == 0) return remove_tree_at(into, name);
    if (S_ISDIR(source.st_mode)) {
        const UniqueFd below(::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!below) return fail_errno(errno, std::string("open ") + name);
        char opaque = 'n';
        struct stat mark {};
        const bool hides = (::fgetxattr(below.get(), "trusted.overlay.opaque", &opaque, 1) == 1 && opaque == 'y') ||
                           ::fstatat(below.get(), ".wh..wh..opq", &mark, AT_SYMLINK_NOFOLLOW) == 0;
        if (exists && ((hides && !verbatim_) || !S_ISDIR(there.st_mode))) {
            TRY_VOID(remove_tree_at(into, name));
        }
        if (::mkdirat(into, name, 0700) != 0 && errno != EEXIST) return fail_errno(errno, std::string("mkdir ") + name);
        const UniqueFd target(::openat(into, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!target) return fail_errno(errno, std::string("open ") + name);
        TRY_VOID(folder(below.get(), target.get(), depth + 1));
        return attributes(from, name, into, source);
    }
    if (exists) {
        TRY_VOID(remove_tree_at(into, name));
    }
    if (source.st_nlink > 1) {
        const auto first = linked_.find({source.st_dev, source.st_ino});
        if (first != linked_.end()) {
            if (::linkat(first->second.first->get(), first->second.second.c_str(), into, name, 0) != 0)
                return fail_errno(errno, std::string("link ") + name);
            return {};
        }
        linked_[{source.st_dev, source.st_ino}] = {std::make_shared<UniqueFd>(::fcntl(into, F_DUPFD_CLOEXEC, 0)), name};
    }
    if (S_ISREG(source.st_mode)) {
        const UniqueFd in(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        const UniqueFd out(::openat(into, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!in || !out) return fail_errno(errno, std::string("copy ") + name);
        TRY_VOID(contents(in.get(), out.get(), source.st_size));
    } else if (S_ISLNK(source.st_mode)) {
        std::string target(limits::tar_path_bytes_max, '\0');
        const ssize_t length = ::readlinkat(from, name, target.data(), target.size());
        if (length < 0) return fail_errno(errno, std::string("read link ") + name);
        target.resize(static_cast<size_t>(length));
        if (::symlinkat(target.c_str(), into, name) != 0) return fail_errno(errno, std::string("symlink ") + name);
    } else if (::mknodat(into, name, source.st_mode, source.st_rdev) != 0) {
        return fail_errno(errno, std::string("make node ") + name);
    }
    return attributes(from, name, into, source);
}

Result<void> Copier::folder(int from, int into, size_t depth) {
    if (depth > limits::tree_depth_max) return fail(ErrorKind::too_large, "folders are nested too deeply");
    TRY(const Dir dir, open_dir(from, "."));
    // Marks first: they speak of what is there already, not of what this layer brings.
    bool marks = false;
    while (const dirent* item = ::readdir(dir.get())) {
        if (verbatim_ || !is_mark(item->d_name)) continue;
        marks = true;
        TRY_VOID(remove_tree_at(into, item->d_name + 4));
    }
    ::rewinddir(dir.get());
    while (const dirent* item = ::readdir(dir.get())) {
        if (is_dots(item->d_name) || (marks && is_mark(item->d_name))) continue;
        TRY_VOID(one(from, into, item->d_name, depth));
    }
    return {};
}

TreeCopier::TreeCopier(bool verbatim) : copier_(std::make_unique<Copier>(verbatim)) {}
TreeCopier::~TreeCopier() = default;
Result<void> TreeCopier::one(int from, int into, const char* name) { return copier_->one(from, into, name, 0); }
Result<void> TreeCopier::attributes(int from, int into, const char* name) {
    struct stat source {};
    if (::fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, std::string("stat ") + name);
    return copier_->attributes(from, name, into, source);
}

Result<void> remove_tree_at(int folder, const char* name) {
    if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_errno(errno, std::string("remove ") + name);
    return remove_folder(folder, name, -1, 0);
}

Result<void> apply_layer(int from, int into, bool verbatim) {
    Copier copier(verbatim);
    TRY_VOID(copier.folder(from, into, 0));
    struct stat root {};
    if (::fstat(from, &root) != 0 || ::fchown(into, root.st_uid, root.st_gid) != 0 ||
        ::fchmod(into, root.st_mode & 07777) != 0)
        return fail_errno(errno, "copy the root folder's attributes");
    TRY_VOID(copy_xattrs(from, into, verbatim));
    const timespec times[2] = {root.st_mtim, root.st_mtim};
    ::futimens(into, times);
    return {};
}

namespace {

Result<void> add_sizes(int folder, const char* name, size_t depth, std::set<std::pair<dev_t, ino_t>>& linked,
                       int64_t& sum) {
    if (depth > limits::tree_depth_max) return fail(ErrorKind::too_large, "folders are nested too deeply");
    TRY(const Dir dir, open_dir(folder, name));
    while (const dirent* item = ::readdir(dir.get())) {
        struct stat facts {};
        if (is_dots(item->d_name)) continue;
        if (::fstatat(::dirfd(dir.get()), item->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
        if (S_ISDIR(facts.st_mode)) {
            TRY_VOID(add_sizes(::dirfd(dir.get()), item->d_name, depth + 1, linked, sum));
        } else if (facts.st_nlink < 2 || linked.insert({facts.st_dev, facts.st_ino}).second) {
            sum += S_ISREG(facts.st_mode) ? facts.st_size : 0;
        }
    }
    return {};
}

}  // namespace

Result<int64_t> tree_size_at(int folder, const char* name) {
    std::set<std::pair<dev_t, ino_t>> linked;
    int64_t sum = 0;
    TRY_VOID(add_sizes(folder, name, 0, linked, sum));
    return sum;
}

}  // namespace engine::storage
