#include "engine/runtime/log_tail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/runtime/limits.h"

namespace engine::runtime {

Result<void> cut_torn_record(int fd) {
    struct stat status {};
    if (fstat(fd, &status) != 0) return fail_errno(errno, "a log's size");
    const off_t first = std::max<off_t>(0, status.st_size - static_cast<off_t>(kLogRecordBytes));
    std::array<char, 4096> buffer;
    for (off_t end = status.st_size; end > first;) {
        const off_t begin = std::max<off_t>(first, end - static_cast<off_t>(buffer.size()));
        const ssize_t got = pread(fd, buffer.data(), static_cast<std::size_t>(end - begin), begin);
        if (got != end - begin) return fail_errno(got < 0 ? errno : EIO, "reading a log's end");
        const std::size_t newline = std::string_view(buffer.data(), static_cast<std::size_t>(got)).rfind('\n');
        if (newline != std::string_view::npos) {
            const off_t whole = begin + static_cast<off_t>(newline) + 1;
            if (whole == status.st_size || ftruncate(fd, whole) == 0) return {};
            return fail_errno(errno, "cutting a torn record off a log");
        }
        end = begin;
    }
    // No newline at all: the first record is torn, or this is no log of ours.
    if (first != 0 || status.st_size == 0 || ftruncate(fd, 0) == 0) return {};
    return fail_errno(errno, "cutting a torn record off a log");
}

}  // namespace engine::runtime
