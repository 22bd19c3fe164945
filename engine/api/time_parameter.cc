#include "engine/api/time_parameter.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>

namespace engine::api {
namespace {

constexpr std::int64_t seconds_max = INT64_MAX / second - 1;

// Seconds with up to nine digits behind the point.
bool parse_seconds(std::string_view text, Nanoseconds& out) {
    const std::size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
    if (parsed.ec != std::errc{} || parsed.ptr != whole.data() + whole.size()) return false;
    if (seconds > seconds_max || seconds < -seconds_max) return false;
    std::int64_t nanoseconds = 0;
    if (point != std::string_view::npos) {
        std::string digits(text.substr(point + 1));
        if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos)
            return false;
        digits.resize(9, '0');
        std::from_chars(digits.data(), digits.data() + digits.size(), nanoseconds);
    }
    out = seconds * second + nanoseconds;
    return true;
}

// "2024-01-02T03:04:05[.123](Z|+01:00)", and shorter forms that the docker CLI knows, then in UTC.
bool parse_date(const std::string& text, Nanoseconds& out) {
    tm parts{};
    const char* rest = nullptr;
    for (const char* form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d"}) {
        parts = {};
        rest = strptime(text.c_str(), form, &parts);
        if (rest) break;
    }
    if (!rest) return false;
    std::int64_t fraction = 0;
    if (*rest == '.') {
        std::int64_t scale = second;
        for (++rest; *rest >= '0' && *rest <= '9'; ++rest) {
            scale /= 10;
            fraction += (*rest - '0') * scale;
        }
    }
    std::int64_t offset = 0;
    if (*rest == 'Z') {
        ++rest;
    } else if (*rest == '+' || *rest == '-') {
        int hours = 0;
        int minutes = 0;
        int used = 0;
        if (std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2) return false;
        offset = (hours * 60 + minutes) * 60 * (*rest == '-' ? -1 : 1);
        rest += 1 + used;
    }
    const std::int64_t seconds = std::clamp(std::int64_t{timegm(&parts)} - offset, -seconds_max, seconds_max);
    out = seconds * second + fraction;  // years before 1678 and after 2261 are as far away as these
    return *rest == 0;
}

// Go's durations: "1h30m", "1.5s", "100ms".
bool parse_duration(std::string_view text, Nanoseconds& out) {
    Nanoseconds sum = 0;
    while (!text.empty()) {
        double number = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
        if (parsed.ec != std::errc{} || number < 0 || number > 1e9) return false;
        text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
        const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
        text.remove_prefix(unit.size());
        const Nanoseconds one = unit == "h"    ? 3600 * second
                                : unit == "m"  ? 60 * second
                                : unit == "s"  ? second
                                : unit == "ms" ? millisecond
                                : unit == "us" ? 1000
                                : unit == "ns" ? 1
                                               : 0;
        const double length = number * static_cast<double>(one);
        if (one == 0 || length > 9e18 - static_cast<double>(sum)) return false;
        sum += static_cast<Nanoseconds>(length);
    }
    out = sum;
    return true;
}

}  // namespace

Result<std::optional<Nanoseconds>> parse_time(std::string_view text, Nanoseconds now) {
    Nanoseconds out = 0;
    if (text.empty()) return std::optional<Nanoseconds>();
    if (parse_seconds(text, out) || parse_date(std::string(text), out)) return std::optional<Nanoseconds>(out);
    if (parse_duration(text, out)) return std::optional<Nanoseconds>(now - out);
    return fail(ErrorKind::invalid,
                "invalid time \"" + std::string(text) + "\": seconds since 1970, RFC 3339 or a duration");
}

}  // namespace engine::api
