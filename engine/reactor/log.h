// The engine's own log: one line per fact on stderr. Who answers the user logs; everyone below returns errors.
#pragma once

#include <string>
#include <string_view>

namespace engine {

enum class LogLevel : unsigned char { debug, info, warn, error };

void log_level_set(LogLevel level);
LogLevel log_level();
void log_line(LogLevel level, std::string_view text);

inline void log_debug(std::string_view text) {
    if (log_level() == LogLevel::debug) log_line(LogLevel::debug, text);
}
inline void log_info(std::string_view text) { log_line(LogLevel::info, text); }
inline void log_warn(std::string_view text) { log_line(LogLevel::warn, text); }
inline void log_error(std::string_view text) { log_line(LogLevel::error, text); }

}  // namespace engine
