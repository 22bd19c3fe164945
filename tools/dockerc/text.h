// Words and numbers as docker prints and reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace dockerc {

// "512m", "1.5g", "64" -> bytes (1024-based).
engine::Result<std::int64_t> parse_bytes(std::string_view text);
// "10s", "1m30s", "2" (seconds) -> nanoseconds.
engine::Result<std::int64_t> parse_duration(std::string_view text);
// "1.5" cpus -> 1500000000.
engine::Result<std::int64_t> parse_nano_cpus(std::string_view text);
// 1234567 -> "1.23MB" (1000-based, three figures).
std::string human_size(std::int64_t bytes);
// 1536 -> "1.5KiB" (1024-based, four figures).
std::string binary_size(std::uint64_t bytes);
// "About a minute", "3 hours".
std::string human_duration(std::int64_t seconds);
// "2024-01-02T03:04:05.6Z" -> seconds since 1970; 0 when it is not a time.
std::int64_t parse_time(std::string_view text);
// --since / --until: a time, a duration back from now, or seconds, as the API wants it.
std::string api_time(std::string_view text, std::int64_t now_seconds);
// "sha256:0123..." -> the first twelve digits.
std::string short_id(std::string_view id);
// "name:tag@digest" apart; no tag reads as "<none>".
struct DisplayReference {
    std::string repository, tag;
};
DisplayReference display_reference(std::string_view reference);
// Cut to `width` characters with an ellipsis as the last.
std::string ellipsis(std::string_view text, std::size_t width);

}  // namespace dockerc
