#include "engine/runtime/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/log_tail.h"
#include "engine/runtime/spec_check.h"

namespace engine::runtime {
namespace {

std::string numbered(const std::string& path, int number) {
    return number == 0 ? path : path + "." + std::to_string(number);
}

UniqueFd open_for_append(const std::string& path, int flags) {
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0640));
}

}  // namespace

LogLimits log_limits(const LogConfig& config) {
    LogLimits limits{kLogFileBytesDefault, kLogFilesDefault};
    const auto size = config.options.find("max-size");
    const auto files = config.options.find("max-file");
    if (size != config.options.end()) limits.file_bytes_max = std::max<std::int64_t>(0, parse_ram_size(size->second));
    if (files != config.options.end()) limits.files_max = std::max(1, std::atoi(files->second.c_str()));
    return limits;
}

bool logs_to_file(const LogConfig& config) { return config.type.empty() || config.type == "json-file"; }

Result<std::unique_ptr<LogFile>> LogFile::open(std::string path, LogLimits limits) {
    UniqueFd fd = open_for_append(path, 0);
    struct stat facts {};
    if (!fd || fstat(fd.get(), &facts) != 0) return fail_errno(errno, path);
    if (facts.st_size > 0) {
        ignore_result(cut_torn_record(fd.get()), "what cannot be cut is skipped by readers");
        if (fstat(fd.get(), &facts) != 0) return fail_errno(errno, path);
    }
    return std::unique_ptr<LogFile>(new LogFile(std::move(path), limits, std::move(fd), facts.st_size));
}

// In one piece on the loop: whoever opens the files sees all of them before or all of them after.
Result<void> LogFile::rotate() {
    if (limits_.files_max > 1) {
        for (int number = limits_.files_max - 2; number >= 0; --number) {
            const std::string from = numbered(path_, number);
            if (::rename(from.c_str(), numbered(path_, number + 1).c_str()) != 0 && errno != ENOENT)
                return fail_errno(errno, "rotating " + from);
        }
    }
    UniqueFd next = open_for_append(path_, O_TRUNC);
    if (!next) return fail_errno(errno, path_);
    fd_ = std::move(next);
    size_ = 0;
    ++rotations_;
    return {};
}

void LogFile::failed(const Error& error) {
    if (!failing_) log_warn("writing " + path_ + ": " + error.message() + ", lines are lost");
    failing_ = true;
}

Task<void> LogFile::append(std::string_view records) {
    const auto bytes = io::bytes_of(records);
    auto written = co_await io::write_all(fd_.get(), bytes);
    if (written) {
        size_ += static_cast<std::int64_t>(records.size());
        failing_ = false;
    } else {
        failed(written.error());
        ignore_result(cut_torn_record(fd_.get()), "what cannot be cut is skipped by readers");
    }
    co_return Result<void>{};
}

Task<void> LogFile::write(std::string_view records) {
    while (!records.empty()) {
        if (limits_.file_bytes_max > 0 && size_ >= limits_.file_bytes_max) {
            if (auto rotated = rotate(); !rotated) failed(rotated.error());
        }
        std::size_t piece = records.size();
        const std::int64_t room = limits_.file_bytes_max - size_;
        if (room > 0 && static_cast<std::size_t>(room) < piece)
            piece = std::min(records.find('\n', static_cast<std::size_t>(room) - 1), piece - 1) + 1;
        CO_TRY_VOID(co_await append(records.substr(0, piece)));
        records.remove_prefix(piece);
    }
    changed_.notify_all();
    co_return Result<void>{};
}

std::vector<UniqueFd> open_log_files(const std::string& path, int files_max) {
    std::vector<UniqueFd> out;
    for (int number = files_max - 1; number >= 0; --number) {
        UniqueFd fd(::open(numbered(path, number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (fd) out.push_back(std::move(fd));
    }
    return out;
}

}  // namespace engine::runtime
