#include "engine/runtime/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

std::string numbered(const std::string& path, int number, bool compressed) {
    std::string out = path;
    if (number > 0) out += "." + std::to_string(number);
    if (compressed) out += ".gz";
    return out;
}

}  // namespace

std::string LogFile::name(int number, bool compressed) const { return numbered(path_, number, compressed); }

int LogFile::number_of(std::uint64_t generation) const {
    if (generation >= generation_ || generation_ - generation >= static_cast<std::uint64_t>(settings_.files_max))
        return 0;
    return static_cast<int>(generation_ - generation);
}

std::uint64_t LogFile::oldest() const { return generation_ - static_cast<std::uint64_t>(settings_.files_max) + 1; }

Result<void> LogFile::open() {
    const std::string directory = std::filesystem::path(path_).parent_path();
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, directory);
    constexpr int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    UniqueFd fd(::open(path_.c_str(), flags, 0640));
    struct stat facts {};
    if (!fd || fstat(fd.get(), &facts) != 0) return fail_errno(errno, path_);
    if (facts.st_size > 0) {
        ignore_result(format_.cut_torn(fd.get()), "what cannot be cut is skipped by readers");
        if (fstat(fd.get(), &facts) != 0) return fail_errno(errno, path_);
    }
    fd_ = std::move(fd);
    inode_ = facts.st_ino;
    size_ = facts.st_size;
    return {};
}

// The new file is made first: when it cannot be, the old one goes on under its name.
Result<void> LogFile::rotate() {
    const std::string fresh = path_ + ".new";
    UniqueFd next(::open(fresh.c_str(), O_RDWR | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    struct stat facts {};
    if (!next || fstat(next.get(), &facts) != 0) return fail_errno(errno, "rotating " + path_);
    // The oldest goes by being renamed over, or here when it is of the other kind.
    for (const bool compressed : {false, true})
        if (settings_.files_max > 1) ::unlink(name(settings_.files_max - 1, compressed).c_str());
    for (int number = settings_.files_max - 2; number >= 0; --number)
        for (const bool compressed : {false, true})
            if (::rename(name(number, compressed).c_str(), name(number + 1, compressed).c_str()) != 0 &&
                errno != ENOENT)
                return fail_errno(errno, "rotating " + name(number, compressed));
    if (::rename(fresh.c_str(), path_.c_str()) != 0) return fail_errno(errno, "rotating " + path_);
    fd_ = std::move(next);
    inode_ = facts.st_ino;
    size_ = 0;
    ++generation_;
    return {};
}

Task<void> LogFile::append(std::string_view records) {
    const auto bytes = io::bytes_of(records);
    auto written = co_await io::write_all(fd_.get(), bytes);
    if (written) {
        size_ += static_cast<std::int64_t>(records.size());
    } else {
        cut(size_);
    }
    co_return written;
}

void LogFile::cut(std::int64_t size) {
    if (ftruncate(fd_.get(), size) == 0) {
        size_ = size;
        return;
    }
    log_warn(errno_error(errno, "cutting a torn record off " + path_).message() + ": readers pass over it");
    struct stat facts {};
    if (fstat(fd_.get(), &facts) == 0) size_ = facts.st_size;
}

LogPart open_log_part(const std::string& path, int number) {
    LogPart part;
    part.number = number;
    for (const bool compressed : {false, true}) {
        part.fd.reset(::open(numbered(path, number, compressed).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        part.compressed = compressed;
        if (part.fd || number == 0) break;
    }
    struct stat facts {};
    if (part.fd && fstat(part.fd.get(), &facts) == 0)
        part.changed = facts.st_mtim.tv_sec * second + facts.st_mtim.tv_nsec;
    return part;
}

std::vector<LogPart> open_log_parts(const std::string& path, int files_max) {
    std::vector<LogPart> out;
    for (int number = files_max - 1; number >= 0; --number) {
        LogPart part = open_log_part(path, number);
        if (part.fd) out.push_back(std::move(part));
    }
    return out;
}

}  // namespace engine::runtime
