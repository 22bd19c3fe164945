#include "engine/storage/path_in_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

constexpr int links_max = 255;

std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> out;
    while (!path.empty()) {
        const size_t slash = path.find('/');
        const auto part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (!part.empty() && part != ".") out.emplace_back(part);
    }
    return out;
}

}  // namespace

int open_in(int root, const char* path, uint64_t flags, unsigned mode) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    while (true) {
        const int fd = static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return fd;  // EAGAIN: a rename raced with a ".."
    }
}

Result<void> make_folders(int root, const std::string& path) {
    std::string made;
    for (const auto& part : parts_of(path)) {
        const UniqueFd above(open_in(root, made.empty() ? "." : made.c_str(), O_PATH | O_DIRECTORY));
        if (!above) return fail_errno(errno, "open " + made);
        made += (made.empty() ? "" : "/") + part;
        if (::mkdirat(above.get(), part.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(errno, "mkdir " + made);
    }
    return {};
}

std::string absolute_path(std::string_view path) {
    std::vector<std::string> kept;
    for (auto& part : parts_of(path)) {
        if (part != "..") {
            kept.push_back(std::move(part));
        } else if (!kept.empty()) {
            kept.pop_back();
        }
    }
    std::string out;
    for (const auto& part : kept) out += "/" + part;
    return out.empty() ? "/" : out;
}

std::string asked_path(std::string_view path) {
    std::string out = absolute_path(path);
    const bool dot = path == "." || path.ends_with("/.");
    if ((dot || path.ends_with('/')) && out != "/") out += "/";
    if (dot) out += ".";
    return out;
}

std::string base_name(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path == "/") return "/";
    return std::string(path.substr(path.rfind('/') + 1));
}

Result<std::string> resolve_path(int root, std::string_view path, bool lenient) {
    std::vector<std::string> left = parts_of(path);  // the next one last
    std::reverse(left.begin(), left.end());
    std::string done;
    int links = 0;
    bool missing = false;
    while (!left.empty()) {
        const std::string part = std::move(left.back());
        left.pop_back();
        if (part == "..") {
            done = done.substr(0, done.rfind('/') == std::string::npos ? 0 : done.rfind('/'));
            continue;
        }
        const std::string next = done + "/" + part;
        struct stat facts {};
        const UniqueFd fd(missing ? -1 : open_in(root, next.c_str(), O_PATH | O_NOFOLLOW));
        if (!fd || ::fstat(fd.get(), &facts) != 0) {
            if (!missing && (!lenient || errno != ENOENT)) return fail_errno(errno, "lstat " + next);
            missing = true;  // and so is all below it
            done = next;
            continue;
        }
        if (!S_ISLNK(facts.st_mode)) {
            done = next;
            continue;
        }
        if (++links > links_max) return fail_errno(ELOOP, "lstat " + std::string(path));
        std::string target(limits::tar_path_bytes_max, '\0');
        const ssize_t length = ::readlinkat(fd.get(), "", target.data(), target.size());
        if (length < 0) return fail_errno(errno, "readlink " + next);
        target.resize(static_cast<size_t>(length));
        if (target.starts_with('/')) done.clear();
        auto parts = parts_of(target);
        for (auto part_of = parts.rbegin(); part_of != parts.rend(); ++part_of) left.push_back(std::move(*part_of));
    }
    return done.empty() ? "/" : done;
}

Result<void> stat_in(int root, const std::string& path, struct stat& out) {
    if (path.ends_with('/') || path.ends_with("/.")) {
        const UniqueFd fd(open_in(root, path.c_str(), O_PATH | O_DIRECTORY));
        if (!fd || ::fstat(fd.get(), &out) != 0) return fail_errno(errno, "lstat " + path);
        return {};
    }
    const UniqueFd fd(open_in(root, path.c_str(), O_PATH | O_NOFOLLOW));
    if (!fd || ::fstat(fd.get(), &out) != 0) return fail_errno(errno, "lstat " + path);
    return {};
}

}  // namespace engine::storage
