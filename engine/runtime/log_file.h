// A container's log on disk: PATH is being written, PATH.1 (or PATH.1.gz) is the one before, and so on. One writer, on
// the loop, so whoever looks at the names sees all of a rotation or nothing of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/io.h"
#include "engine/runtime/log_format.h"
#include "engine/runtime/log_options.h"

namespace engine::runtime {

class LogFile {
public:
    LogFile(const LogFormat& format, LogSettings settings, std::string path)
        : format_(format), settings_(settings), path_(std::move(path)) {}
    // For appending. A record that was cut short is cut off. May be called again after close().
    Result<void> open();
    void close() { fd_.reset(); }
    bool is_open() const { return static_cast<bool>(fd_); }

    const std::string& path() const { return path_; }
    const LogSettings& settings() const { return settings_; }
    std::int64_t size() const { return size_; }
    ino_t inode() const { return inode_; }
    // Grows by one with each rotation: PATH is this generation, PATH.1 the one before.
    std::uint64_t generation() const { return generation_; }
    // The next record goes to a new file.
    bool full() const { return settings_.file_bytes_max > 0 && size_ >= settings_.file_bytes_max; }
    Result<void> rotate();
    // What has been written of a batch that failed is taken back.
    Task<void> append(std::string_view records);
    void cut(std::int64_t size);

    // The number behind PATH of a generation; none when it has been deleted, or is the one being written.
    int number_of(std::uint64_t generation) const;
    std::string name(int number, bool compressed = false) const;
    std::uint64_t oldest() const;

private:
    const LogFormat& format_;
    LogSettings settings_;
    std::string path_;
    UniqueFd fd_;
    ino_t inode_ = 0;
    std::int64_t size_ = 0;
    std::uint64_t generation_ = kGenerationFirst;
    static constexpr std::uint64_t kGenerationFirst = 1'000'000;  // those before it are from before our time
};

// One file of a log, opened for reading.
struct LogPart {
    UniqueFd fd;
    int number = 0;            // 0: being written
    bool compressed = false;
    std::int64_t changed = 0;  // CLOCK_REALTIME
};
// Those that are there, oldest first.
std::vector<LogPart> open_log_parts(const std::string& path, int files_max);
// One of them; no fd when it is not there.
LogPart open_log_part(const std::string& path, int number);

}  // namespace engine::runtime
