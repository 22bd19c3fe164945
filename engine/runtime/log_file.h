// A container's json-file log on disk: PATH is being written, PATH.1 is the one before, and so on. One writer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/io.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

struct LogLimits {
    std::int64_t file_bytes_max = 0;  // of one file, before the next record makes a new one; 0: never
    int files_max = 1;
};
// From max-size and max-file, which check_spec() has seen; the defaults otherwise.
LogLimits log_limits(const LogConfig& config);
bool logs_to_file(const LogConfig& config);

class LogFile {
public:
    // Appends to what is there; a record that was cut short is cut off.
    static Result<std::unique_ptr<LogFile>> open(std::string path, LogLimits limits);

    // Whole records. What cannot be written (a full disk) is lost, and said once.
    Task<void> write(std::string_view records);
    const std::string& path() const { return path_; }
    int files_max() const { return limits_.files_max; }
    // How often PATH has become PATH.1 since this object was made.
    std::uint64_t rotations() const { return rotations_; }
    // Notified after each write, and when the last one is done.
    reactor::Event& changed() { return changed_; }
    void end() {
        ended_ = true;
        changed_.notify_all();
    }
    bool ended() const { return ended_; }

private:
    LogFile(std::string path, LogLimits limits, UniqueFd fd, std::int64_t size)
        : path_(std::move(path)), limits_(limits), fd_(std::move(fd)), size_(size) {}
    Result<void> rotate();
    Task<void> append(std::string_view records);
    void failed(const Error& error);

    std::string path_;
    LogLimits limits_;
    UniqueFd fd_;
    std::int64_t size_;
    std::uint64_t rotations_ = 0;
    reactor::Event changed_;
    bool ended_ = false;
    bool failing_ = false;
};

// Every file of a log that is there, oldest first.
std::vector<UniqueFd> open_log_files(const std::string& path, int files_max);

}  // namespace engine::runtime
