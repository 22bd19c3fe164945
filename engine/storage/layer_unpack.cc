#include "engine/storage/layer_unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>

#include "engine/reactor/try.h"
#include "engine/storage/decompress.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/tar_split.h"
#include "engine/storage/path_in_root.h"
#include "engine/storage/tree.h"

namespace engine::storage {
namespace {

class HashingSource : public BlockingSource {
public:
    explicit HashingSource(BlockingSource& source) : source_(source) {}
    Result<size_t> read(std::span<char> into) override {
        TRY(const size_t got, source_.read(into));
        hash_.update(into.data(), got);
        size += static_cast<int64_t>(got);
        return got;
    }
    uint64_t received() const override { return source_.received(); }
    std::string finish() { return hash_.finish(); }
    int64_t size = 0;

private:
    BlockingSource& source_;
    Sha256 hash_;
};

// The archive as it comes, written to a file beside being read.
class KeepingSource : public BlockingSource {
public:
    KeepingSource(BlockingSource& source, int fd) : source_(source), sink_(fd) {}
    Result<size_t> read(std::span<char> into) override {
        TRY(const size_t got, source_.read(into));
        TRY_VOID(keep({into.data(), got}));
        return got;
    }
    Result<void> keep(std::string_view bytes) {
        hash_.update(bytes.data(), bytes.size());
        size += static_cast<int64_t>(bytes.size());
        return sink_.write(bytes);
    }
    uint64_t received() const override { return source_.received(); }
    std::string finish() { return hash_.finish(); }
    int64_t size = 0;

private:
    BlockingSource& source_;
    ArchiveFdSink sink_;
    Sha256 hash_;
};

class Unpacker {
public:
    // A layer's; with options: an archive's. split: keeps what makes the archive again; both may be null.
    Unpacker(int root, TarSplitWriter* split, const UnpackOptions* options = nullptr)
        : root_(root), split_(split), options_(options) {}
    Result<void> entry(TarReader& tar, const TarEntry& entry);
    Result<void> finish();  // directories' times, last
    int64_t size = 0;

private:
    struct FolderTime {
        timespec mtime;
    };
    Result<std::string> path_of(const std::string& name) const;
    Result<void> replaceable(mode_t there, const TarEntry& entry) const;
    Result<int> parent_of(const std::string& path);  // borrowed, valid until the next call
    Result<void> whiteout(int parent, const std::string& name);
    Result<void> keep_mark(int parent, const std::string& name);
    Result<void> mark_opaque(int parent, const char* folder_name);
    Result<bool> clear_way(int parent, const char* name, const TarEntry& entry);
    Result<void> make_file(TarReader& tar, const TarEntry& entry, int parent, const char* name);
    Result<void> attributes(const TarEntry& entry, int parent, const char* name, int fd, mode_t made_with);

    int root_;
    TarSplitWriter* split_;
    const UnpackOptions* options_;
    UniqueFd parent_fd_;
    std::string parent_path_;
    std::map<std::string, FolderTime, std::less<>> folder_times_;
};

Result<std::string> Unpacker::path_of(const std::string& name) const {
    if (options_ == nullptr) return clean_path(name);
    // A leading name that no archive has: what climbs over it leads out.
    const std::string inside = absolute_path("/-/" + name);
    if (inside != "/-" && !inside.starts_with("/-/"))
        return fail(ErrorKind::internal, "\"" + name + "\" is outside of \"/" + options_->base + "\"");
    std::string below = inside.substr(2);
    const std::string first = "/" + options_->renamed;
    if (!options_->renamed.empty() && (below == first || below.starts_with(first + "/")))
        below = (options_->as.empty() ? "" : "/" + options_->as) + below.substr(first.size());
    if (options_->base.empty()) return below.substr(below.empty() ? 0 : 1);
    return options_->base + below;
}

Result<void> Unpacker::replaceable(mode_t there, const TarEntry& entry) const {
    if (options_ == nullptr || !options_->keep_types) return {};
    const bool comes = entry.type == TarType::directory;
    if (S_ISDIR(there) == comes) return {};
    TRY(const std::string path, path_of(entry.path));
    return fail(ErrorKind::internal, std::string("cannot overwrite ") + (comes ? "non-directory" : "directory") +
                                         " \"/" + path + "\" with " + (comes ? "directory" : "non-directory") +
                                         " \"/" + options_->base + "\"");
}

Result<int> Unpacker::parent_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return root_;
    const auto folder = std::string_view(path).substr(0, slash);
    if (parent_fd_ && parent_path_ == folder) return parent_fd_.get();
    parent_path_ = folder;
    parent_fd_.reset(open_in(root_, parent_path_.c_str(), O_PATH | O_DIRECTORY));
    if (!parent_fd_ && errno == ENOENT) {
        // Parents an archive forgot: made as docker makes them, one component at a time.
        for (size_t end = parent_path_.find('/');; end = parent_path_.find('/', end + 1)) {
            const std::string part = parent_path_.substr(0, end);
            const size_t last = part.rfind('/');
            const UniqueFd above(last == std::string::npos
                                     ? ::fcntl(root_, F_DUPFD_CLOEXEC, 0)
                                     : open_in(root_, part.substr(0, last).c_str(), O_PATH | O_DIRECTORY));
            if (!above) return fail_errno(errno, "open " + part);
            const char* name = part.c_str() + (last == std::string::npos ? 0 : last + 1);
            if (::mkdirat(above.get(), name, 0755) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + part);
            if (end == std::string::npos) break;
        }
        parent_fd_.reset(open_in(root_, parent_path_.c_str(), O_PATH | O_DIRECTORY));
    }
    if (!parent_fd_) return fail_errno(errno, "open " + parent_path_);
    return parent_fd_.get();
}

Result<void> Unpacker::keep_mark(int parent, const std::string& name) {
    const UniqueFd fd(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, "whiteout " + name);
    return {};
}

Result<void> Unpacker::mark_opaque(int parent, const char* folder_name) {
    const UniqueFd folder(::openat(parent, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (folder && ::fsetxattr(folder.get(), "trusted.overlay.opaque", "y", 1, 0) == 0) return {};
    if (folder && (errno == EPERM || errno == EOPNOTSUPP)) return keep_mark(folder.get(), ".wh..wh..opq");
    return fail_errno(errno, "mark a folder opaque");
}

// A whiteout speaks of the layers below only: what this layer itself has under the name stays, and hides them.
Result<void> Unpacker::whiteout(int parent, const std::string& name) {
    if (name == ".wh..wh..opq") return mark_opaque(parent, ".");
    if (name.starts_with(".wh..wh.")) return {};  // aufs' own files
    const std::string victim = name.substr(4);
    if (victim.empty() || victim == "." || victim == "..") return fail(ErrorKind::invalid, "invalid whiteout " + name);
    if (::mknodat(parent, victim.c_str(), S_IFCHR, 0) == 0) return {};
    if (errno == EPERM) return keep_mark(parent, name);
    if (errno != EEXIST) return fail_errno(errno, "whiteout " + victim);
    struct stat there {};
    if (::fstatat(parent, victim.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "stat " + victim);
    return S_ISDIR(there.st_mode) ? mark_opaque(parent, victim.c_str()) : Result<void>();
}

// Something is in the way: a folder stays when a folder comes, everything else gives way. True when it was a whiteout.
Result<bool> Unpacker::clear_way(int parent, const char* name, const TarEntry& entry) {
    struct stat there {};
    if (::fstatat(parent, name, &there, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (S_ISDIR(there.st_mode) && entry.type == TarType::directory) return false;
    TRY_VOID(replaceable(there.st_mode, entry));
    parent_path_.clear();  // the folder whose descriptor is kept may be the one that goes
    if (split_ != nullptr && (S_ISDIR(there.st_mode) || S_ISREG(there.st_mode))) {
        TRY(const std::string path, clean_path(entry.path));
        TRY_VOID(split_->replace(path, parent, name));
    } else {
        TRY_VOID(remove_tree_at(parent, name));
    }
    return options_ == nullptr && S_ISCHR(there.st_mode) && there.st_rdev == 0;
}

Result<void> Unpacker::make_file(TarReader& tar, const TarEntry& entry, int parent, const char* name) {
    const mode_t made_with = entry.mode & 0777;
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(parent, name, flags, made_with));
    if (!fd && errno == EEXIST) {
        UniqueFd kept(::fcntl(parent, F_DUPFD_CLOEXEC, 0));
        TRY_VOID(clear_way(kept.get(), name, entry));
        fd.reset(::openat(kept.get(), name, flags, made_with));
    }
    if (!fd) return fail_errno(errno, "create " + entry.path);
    const auto write_all = [&](std::string_view bytes, uint64_t offset) -> Result<void> {
        while (!bytes.empty()) {
            const ssize_t put = entry.sparse
                                    ? ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset))
                                    : ::write(fd.get(), bytes.data(), bytes.size());
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return fail_errno(errno, "write " + entry.path);
            bytes.remove_prefix(static_cast<size_t>(put));
            offset += static_cast<uint64_t>(put);
        }
        return {};
    };
    if (split_ != nullptr) {
        TRY(const std::string path, clean_path(entry.path));
        if (!entry.sparse) split_->file(path, 0, entry.stored);
        for (const auto& part : entry.extents) split_->file(path, part.offset, part.length);
    }
    size_t extent = 0;
    uint64_t in_extent = 0;
    while (true) {
        TRY(auto bytes, tar.chunk());
        if (bytes.empty()) break;
        if (!entry.sparse) {
            TRY_VOID(write_all(bytes, 0));
            continue;
        }
        while (!bytes.empty()) {
            const auto& at = entry.extents[extent];
            const size_t part = static_cast<size_t>(std::min<uint64_t>(bytes.size(), at.length - in_extent));
            TRY_VOID(write_all(bytes.substr(0, part), at.offset + in_extent));
            bytes.remove_prefix(part);
            in_extent += part;
            if (in_extent == at.length) {
                extent++;
                in_extent = 0;
            }
        }
    }
    if (entry.sparse && ::ftruncate(fd.get(), static_cast<off_t>(entry.size)) != 0)
        return fail_errno(errno, "truncate " + entry.path);
    size += static_cast<int64_t>(entry.size);
    return attributes(entry, -1, name, fd.get(), made_with);
}

// Owner first (it clears setuid and capabilities), then xattrs, mode, time. fd >= 0: of an open file; else by name.
Result<void> Unpacker::attributes(const TarEntry& entry, int parent, const char* name, int fd, mode_t made_with) {
    const bool given = options_ != nullptr && options_->owner;
    const auto uid = given ? options_->owner->uid : static_cast<uid_t>(entry.uid);
    const auto gid = given ? options_->owner->gid : static_cast<gid_t>(entry.gid);
    if (uid != 0 || gid != 0) {
        const int done = fd >= 0 ? ::fchown(fd, uid, gid) : ::fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW);
        if (done != 0) return fail_errno(errno, "chown " + entry.path);
    }
    for (const auto& [key, value] : entry.xattrs) {
        if (key.starts_with("trusted.") || key.starts_with("user.overlay.")) continue;  // overlay's own words
        UniqueFd at;
        int done = 0;
        if (fd >= 0) {
            done = ::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0);
        } else if (entry.type == TarType::directory) {
            at.reset(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            done = at ? ::fsetxattr(at.get(), key.c_str(), value.data(), value.size(), 0) : -1;
        }
        if (done != 0 && errno != EOPNOTSUPP && errno != EPERM)
            return fail_errno(errno, "set " + key + " of " + entry.path);
    }
    if (entry.type == TarType::symlink) {
        made_with = entry.mode;
    }
    if (entry.mode != made_with) {
        const int done = fd >= 0 ? ::fchmod(fd, entry.mode) : ::fchmodat(parent, name, entry.mode, 0);
        if (done != 0) return fail_errno(errno, "chmod " + entry.path);
    }
    if (entry.type == TarType::directory) return {};  // its time is set at the end
    const timespec when{entry.mtime_seconds, static_cast<long>(entry.mtime_nanoseconds)};
    const timespec times[2] = {when, when};
    const int done = fd >= 0 ? ::futimens(fd, times) : ::utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
    if (done != 0) return fail_errno(errno, "set times of " + entry.path);
    return {};
}

Result<void> Unpacker::entry(TarReader& tar, const TarEntry& entry) {
    if (entry.type == TarType::other) return {};
    TRY(const std::string path, path_of(entry.path));
    // The folder an archive is put into keeps its own attributes.
    if (options_ != nullptr && path == options_->base && entry.type == TarType::directory) return {};
    if (path.empty() || (options_ != nullptr && path == options_->base)) {
        if (entry.type != TarType::directory)
            return fail(ErrorKind::invalid, "invalid tar entry \"" + entry.path + "\"");
        folder_times_[""] = {{entry.mtime_seconds, static_cast<long>(entry.mtime_nanoseconds)}};
        return attributes(entry, root_, ".", -1, ~0u);
    }
    TRY(const int parent, parent_of(path));
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.size() > 255) return fail_errno(ENAMETOOLONG, "create " + entry.path);
    if (options_ == nullptr && name.starts_with(".wh.")) return whiteout(parent, name);
    if (entry.type == TarType::file) return make_file(tar, entry, parent, name.c_str());

    const auto make = [&](int at) {
        switch (entry.type) {
            case TarType::directory:
                return ::mkdirat(at, name.c_str(), entry.mode & 0777);
            case TarType::symlink:
                return ::symlinkat(entry.link.c_str(), at, name.c_str());
            case TarType::fifo:
                return ::mknodat(at, name.c_str(), S_IFIFO | (entry.mode & 0777), 0);
            case TarType::char_device:
            case TarType::block_device:
                return ::mknodat(at, name.c_str(),
                                 (entry.type == TarType::char_device ? S_IFCHR : S_IFBLK) | (entry.mode & 0777),
                                 makedev(entry.device_major, entry.device_minor));
            default:
                return -1;
        }
    };
    UniqueFd kept(::fcntl(parent, F_DUPFD_CLOEXEC, 0));
    if (!kept) return fail_errno(errno, "keep a folder open");
    if (entry.type == TarType::hard_link) {
        TRY(const std::string target, path_of(entry.link));
        const size_t slash = target.rfind('/');
        const UniqueFd folder(slash == std::string::npos
                                  ? ::fcntl(root_, F_DUPFD_CLOEXEC, 0)
                                  : open_in(root_, target.substr(0, slash).c_str(), O_PATH | O_DIRECTORY));
        const std::string last = target.substr(slash == std::string::npos ? 0 : slash + 1);
        if (target == path) return {};
        if (!folder || last.empty())
            return fail(ErrorKind::invalid, "invalid hardlink \"" + path + "\" -> \"" + entry.link + "\"");
        if (::linkat(folder.get(), last.c_str(), kept.get(), name.c_str(), 0) == 0) return {};
        if (errno != EEXIST) return fail_errno(errno, "link " + path + " to " + entry.link);
        TRY_VOID(clear_way(kept.get(), name.c_str(), entry));
        if (::linkat(folder.get(), last.c_str(), kept.get(), name.c_str(), 0) != 0)
            return fail_errno(errno, "link " + path + " to " + entry.link);
        return {};
    }
    mode_t made_with = entry.mode & 0777;
    if (make(kept.get()) != 0) {
        if (errno != EEXIST) return fail_errno(errno, "create " + entry.path);
        TRY(const bool hid_the_layers_below, clear_way(kept.get(), name.c_str(), entry));
        if (make(kept.get()) == 0) {
            if (hid_the_layers_below && entry.type == TarType::directory) {
                TRY_VOID(mark_opaque(kept.get(), name.c_str()));
            }
        } else {
            if (errno != EEXIST || entry.type != TarType::directory) return fail_errno(errno, "create " + entry.path);
            made_with = ~0u;
            if (entry.uid == 0 && entry.gid == 0 &&
                ::fchownat(kept.get(), name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW) != 0)
                return fail_errno(errno, "chown " + entry.path);
        }
    }
    if (entry.type == TarType::directory)
        folder_times_[path] = {{entry.mtime_seconds, static_cast<long>(entry.mtime_nanoseconds)}};
    return attributes(entry, kept.get(), name.c_str(), -1, made_with);
}

Result<void> Unpacker::finish() {
    for (const auto& [path, time] : folder_times_) {
        const UniqueFd fd(open_in(root_, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        if (!fd) continue;  // replaced or removed by a later entry
        const timespec times[2] = {time.mtime, time.mtime};
        if (::futimens(fd.get(), times) != 0) return fail_errno(errno, "set times of " + path);
    }
    return {};
}

}  // namespace

Result<std::string> clean_path(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const size_t slash = path.find('/');
        const auto part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") return fail(ErrorKind::invalid, "invalid tar entry: \"..\" in a path");
        if (part.size() > 255) return fail(ErrorKind::invalid, "invalid tar entry: file name too long");
        if (!out.empty()) out += '/';
        out += part;
    }
    return out;
}

Result<void> unpack_archive(BlockingSource& source, int root, const UnpackOptions& options) {
    TRY(const auto plain, decompressing(source));
    TarReader tar(*plain);
    Unpacker unpacker(root, nullptr, &options);
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar.next(entry));
        if (!more) break;
        TRY_VOID(unpacker.entry(tar, entry));
    }
    TRY_VOID(unpacker.finish());
    return tar.drain();
}

namespace {

Result<UnpackedLayer> unpack_plain(BlockingSource& plain, int root, TarSplitWriter* split) {
    HashingSource hashing(plain);
    TarReader tar(hashing, split);
    Unpacker unpacker(root, split);
    UnpackedLayer out;
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar.next(entry));
        if (!more) break;
        TRY_VOID(unpacker.entry(tar, entry));
        out.entries++;
    }
    TRY_VOID(unpacker.finish());
    TRY_VOID(tar.drain());
    if (split != nullptr) {
        TRY_VOID(split->finish());
    }
    out.diff_id = hashing.finish();
    out.size = unpacker.size;
    out.tar_bytes = hashing.size;
    return out;
}

Result<std::string> read_first(BlockingSource& source) {
    std::string first(5, '\0');
    size_t have = 0;
    while (have < first.size()) {
        TRY(const size_t got, source.read({first.data() + have, first.size() - have}));
        if (got == 0) break;
        have += got;
    }
    first.resize(have);
    return first;
}

// Bytes after the compressed stream belong to the blob too.
Result<void> read_rest(BlockingSource& source) {
    std::vector<char> buffer(limits::tar_buffer_bytes);
    while (true) {
        TRY(const size_t got, source.read({buffer.data(), buffer.size()}));
        if (got == 0) return {};
    }
}

}  // namespace

Result<UnpackedLayer> unpack_layer(BlockingSource& source, int root) {
    TRY(const auto plain, decompressing(source));
    return unpack_plain(*plain, root, nullptr);
}

Result<UnpackedLayer> unpack_layer_kept(BlockingSource& source, int folder) {
    if (::mkdirat(folder, "fs", 0755) != 0) return fail_errno(errno, "create layer folder");
    const UniqueFd root(::openat(folder, "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno(errno, "open layer folder");
    TRY(std::string first, read_first(source));
    if (sniff_compression(first) == Compression::none) {
        TRY(const auto split, TarSplitWriter::create(folder));
        PrefixedSource whole(source, std::move(first));
        return unpack_plain(whole, root.get(), split.get());
    }
    const UniqueFd blob(::openat(folder, "blob", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!blob) return fail_errno(errno, "keep a layer's archive");
    KeepingSource kept(source, blob.get());
    TRY_VOID(kept.keep(first));
    PrefixedSource whole(kept, std::move(first));
    TRY(const auto plain, decompressing(whole));
    TRY(auto out, unpack_plain(*plain, root.get(), nullptr));
    TRY_VOID(read_rest(kept));
    out.blob_digest = kept.finish();
    out.blob_size = kept.size;
    return out;
}

}  // namespace engine::storage
