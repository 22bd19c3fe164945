#include "engine/reactor/log.h"

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "engine/reactor/units.h"

namespace engine {
namespace {
LogLevel threshold = LogLevel::info;
}

void log_level_set(LogLevel level) { threshold = level; }
LogLevel log_level() { return threshold; }

void log_line(LogLevel level, std::string_view text) {
    if (level < threshold) return;
    static constexpr const char* names[] = {"debug", "info", "warning", "error"};
    const Nanoseconds now = realtime_ns();
    const time_t seconds = now / second;
    tm parts{};
    gmtime_r(&seconds, &parts);
    char stamp[40];
    const std::size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    std::string line(stamp, length);
    char rest[48];
    std::snprintf(rest, sizeof rest, ".%03dZ %s ", static_cast<int>(now % second / millisecond),
                  names[static_cast<int>(level)]);
    line += rest;
    for (char c : text) line += (c == '\n' || c == '\r') ? ' ' : c;
    line += '\n';
    // A full or closed stderr must not stop the engine: the line is lost.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace engine
