#include "engine/storage/tree_pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

struct CloseFolder {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_kept(std::string_view name) {
    return !name.starts_with("trusted.") && !name.starts_with("user.overlay.") && name != "security.selinux" &&
           name != "security.ima" && name != "security.evm";
}

bool is_opaque(int folder) {
    char mark = 'n';
    return ::fgetxattr(folder, "trusted.overlay.opaque", &mark, 1) == 1 && mark == 'y';
}

TarEntry entry_of(const struct stat& facts, const std::string& path) {
    TarEntry entry;
    entry.path = path;
    entry.mode = facts.st_mode & 07777;
    entry.uid = facts.st_uid;
    entry.gid = facts.st_gid;
    entry.mtime_seconds = facts.st_mtim.tv_sec;
    entry.mtime_nanoseconds = static_cast<uint32_t>(facts.st_mtim.tv_nsec);
    return entry;
}

Result<std::string> link_text(int parent, const char* name) {
    std::string target(limits::tar_path_bytes_max, '\0');
    const ssize_t length = ::readlinkat(parent, name, target.data(), target.size());
    if (length < 0) return fail_errno(errno, std::string("read link ") + name);
    target.resize(static_cast<size_t>(length));
    return target;
}

}  // namespace

Result<std::vector<std::string>> sorted_names(int folder) {
    const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno(errno, "open a folder");
    const std::unique_ptr<DIR, CloseFolder> dir(::fdopendir(fd));
    if (!dir) return fail_errno(errno, "open a folder");
    std::vector<std::string> names;
    while (const dirent* item = ::readdir(dir.get())) {
        const std::string_view name = item->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::pair<std::string, std::string>> xattrs_of(int fd) {
    std::vector<std::pair<std::string, std::string>> out;
    char first[1024];
    ssize_t size = ::flistxattr(fd, first, sizeof first);
    std::string names;
    if (size < 0 && errno == ERANGE) {
        names.resize(64 << 10);
        size = ::flistxattr(fd, names.data(), names.size());
        names.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    } else if (size > 0) {
        names.assign(first, static_cast<size_t>(size));
    }
    std::string value;
    for (size_t at = 0; at < names.size();) {
        const std::string name = names.c_str() + at;
        at += name.size() + 1;
        if (!is_kept(name)) continue;
        value.resize(limits::xattr_value_bytes_max);
        const ssize_t length = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
        if (length >= 0) out.emplace_back(name, value.substr(0, static_cast<size_t>(length)));
    }
    std::sort(out.begin(), out.end());
    return out;
}

Result<void> TreePacker::whiteout(const std::string& path) {
    TarEntry entry;
    entry.path = path;
    entry.mode = 0600;
    return tar_.begin(entry);
}

// Opened without waiting (it may have become a fifo) and looked at again: the header is the opened file's.
Result<bool> TreePacker::file(int parent, const char* name, TarEntry entry, const struct stat& facts) {
    const UniqueFd fd(::openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd && (errno == ENOENT || errno == ELOOP)) return false;
    if (!fd) return fail_errno(errno, "open " + entry.path);
    struct stat now {};
    if (::fstat(fd.get(), &now) != 0) return fail_errno(errno, "stat " + entry.path);
    if (!S_ISREG(now.st_mode)) return false;
    if (now.st_ino != facts.st_ino || now.st_dev != facts.st_dev) entry = entry_of(now, entry.path);
    entry.size = static_cast<uint64_t>(now.st_size);
    entry.xattrs = xattrs_of(fd.get());
    entry.extents = extents_of(fd.get(), entry.size, static_cast<uint64_t>(now.st_blocks) * 512);
    TRY_VOID(tar_.file(std::move(entry), fd.get()));
    return true;
}

Result<void> TreePacker::folder(int folder, const std::string& path, size_t depth) {
    struct stat facts {};
    if (::fstat(folder, &facts) != 0) return fail_errno(errno, "stat " + path);
    TarEntry entry = entry_of(facts, path);
    entry.type = TarType::directory;
    entry.xattrs = xattrs_of(folder);
    TRY_VOID(tar_.begin(entry));
    if (marks_ == Marks::whiteouts && is_opaque(folder)) {
        TRY_VOID(whiteout(path + ".wh..wh..opq"));
    }
    return below(folder, path, depth);
}

Result<void> TreePacker::one(int parent, const char* name, const std::string& path, size_t depth) {
    struct stat facts {};
    if (::fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};  // gone meanwhile
        return fail_errno(errno, "stat " + path);
    }
    if (path.size() >= limits::tar_path_bytes_max) return fail(ErrorKind::too_large, "file name too long: " + path);
    if (S_ISSOCK(facts.st_mode)) return {};
    if (S_ISDIR(facts.st_mode)) {
        const UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR)) return {};
        if (!fd) return fail_errno(errno, "open " + path);
        return folder(fd.get(), path + "/", depth + 1);
    }
    if (marks_ == Marks::whiteouts) {
        const size_t last = path.rfind('/') + 1;
        if (S_ISCHR(facts.st_mode) && facts.st_rdev == 0)
            return whiteout(path.substr(0, last) + ".wh." + path.substr(last));
        if (S_ISREG(facts.st_mode) && std::string_view(name).starts_with(".wh.")) return whiteout(path);
    }
    TarEntry entry = entry_of(facts, path);
    if (facts.st_nlink > 1) {
        const auto [known, first] = linked_.try_emplace({facts.st_dev, facts.st_ino}, path);
        if (!first) {
            entry.type = TarType::hard_link;
            entry.link = known->second;
            return tar_.begin(entry);
        }
    }
    if (S_ISREG(facts.st_mode)) {
        TRY(const bool written, file(parent, name, std::move(entry), facts));
        if (!written) linked_.erase({facts.st_dev, facts.st_ino});
        return {};
    }
    if (S_ISLNK(facts.st_mode)) {
        entry.type = TarType::symlink;
        entry.mode = 0777;
        TRY(entry.link, link_text(parent, name));
    } else if (S_ISFIFO(facts.st_mode)) {
        entry.type = TarType::fifo;
    } else {
        entry.type = S_ISCHR(facts.st_mode) ? TarType::char_device : TarType::block_device;
        entry.device_major = major(facts.st_rdev);
        entry.device_minor = minor(facts.st_rdev);
    }
    return tar_.begin(entry);
}

Result<void> TreePacker::below(int folder, const std::string& prefix, size_t depth) {
    if (depth > limits::tree_depth_max) return fail(ErrorKind::too_large, "folders are nested too deeply: " + prefix);
    TRY(const auto names, sorted_names(folder));
    for (const auto& name : names) {
        if (marks_ == Marks::whiteouts && name == ".wh..wh..opq" && is_opaque(folder)) continue;  // told already
        TRY_VOID(one(folder, name.c_str(), prefix + name, depth));
    }
    return {};
}

Result<void> TreePacker::below(int folder, const std::string& prefix) { return below(folder, prefix, 0); }
Result<void> TreePacker::one(int parent, const char* name, const std::string& path) {
    return one(parent, name, path, 0);
}
Result<void> TreePacker::folder(int folder, const std::string& path) { return this->folder(folder, path, 0); }

Result<void> pack_layer(int folder, TarSink& sink) {
    TarWriter tar(sink);
    TreePacker packer(tar, Marks::whiteouts);
    TRY_VOID(packer.below(folder, ""));
    return tar.finish();
}

}  // namespace engine::storage
