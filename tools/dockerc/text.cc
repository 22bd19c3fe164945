#include "tools/dockerc/text.h"

#include <time.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace dockerc {
namespace {

engine::Result<double> decimal(std::string_view text, std::size_t& used) {
    used = 0;
    while (used < text.size() && ((text[used] >= '0' && text[used] <= '9') || text[used] == '.')) ++used;
    const std::string digits(text.substr(0, used));
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0')
        return engine::fail(engine::ErrorKind::invalid, "invalid number: '" + std::string(text) + "'");
    return value;
}

}  // namespace

engine::Result<std::int64_t> parse_bytes(std::string_view text) {
    if (text == "-1") return -1;
    std::size_t used = 0;
    const auto number = decimal(text, used);
    std::string unit;
    if (number) {
        for (const char c : text.substr(used))
            if (c != ' ') unit += static_cast<char>(c | 0x20);
    }
    if (unit.size() == 3 && unit.ends_with("ib")) unit.resize(1);
    if (unit.size() == 2 && unit[1] == 'b') unit.resize(1);
    constexpr std::string_view units = "bkmgtp";
    const std::size_t power = unit.empty() ? 0 : units.find(unit[0]);
    if (!number || unit.size() > 1 || power == std::string_view::npos)
        return engine::fail(engine::ErrorKind::invalid, "invalid size: '" + std::string(text) + "'");
    const double bytes = *number * std::pow(1024.0, static_cast<double>(power));
    if (bytes >= 9.2e18) return engine::fail(engine::ErrorKind::invalid, "invalid size: '" + std::string(text) + "'");
    return static_cast<std::int64_t>(bytes);
}

engine::Result<std::int64_t> parse_duration(std::string_view text) {
    const std::string whole(text);
    double total = 0;
    if (text.empty()) return engine::fail(engine::ErrorKind::invalid, "invalid duration \"\"");
    while (!text.empty()) {
        std::size_t used = 0;
        const auto number = decimal(text, used);
        if (!number) return engine::fail(engine::ErrorKind::invalid, "invalid duration \"" + whole + "\"");
        text.remove_prefix(used);
        std::size_t letters = 0;
        while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
        const std::string_view unit = text.substr(0, letters);
        const double scale = unit == "h"    ? 3600e9
                             : unit == "m"  ? 60e9
                             : unit == "s"  ? 1e9
                             : unit == "ms" ? 1e6
                             : unit == "us" ? 1e3
                             : unit == "ns" ? 1
                                            : -1;
        if (scale < 0) return engine::fail(engine::ErrorKind::invalid, "invalid duration \"" + whole + "\"");
        total += *number * scale;
        text.remove_prefix(letters);
    }
    return static_cast<std::int64_t>(total);
}

engine::Result<std::int64_t> parse_nano_cpus(std::string_view text) {
    std::size_t used = 0;
    const auto number = decimal(text, used);
    if (!number || used != text.size())
        return engine::fail(engine::ErrorKind::invalid,
                            "failed to parse " + std::string(text) + " as a rational number");
    return std::llround(*number * 1e9);
}

namespace {

std::string scaled(double value, double step, const char* const (&units)[6], const char* format) {
    std::size_t unit = 0;
    while (value >= step && unit < 5) {
        value /= step;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, format, value, units[unit]);
    return text;
}

}  // namespace

std::string human_size(std::int64_t bytes) {
    return scaled(static_cast<double>(bytes), 1000, {"B", "kB", "MB", "GB", "TB", "PB"}, "%.3g%s");
}

std::string binary_size(std::uint64_t bytes) {
    return scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"}, "%.4g%s");
}

std::string human_duration(std::int64_t seconds) {
    const auto several = [](std::int64_t n, const char* word) { return std::to_string(n) + " " + word; };
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return several(seconds, "seconds");
    const std::int64_t minutes = seconds / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return several(minutes, "minutes");
    const std::int64_t hours = (seconds + 1800) / 3600;
    if (hours == 1) return "About an hour";
    if (hours < 48) return several(hours, "hours");
    if (hours < 24 * 7 * 2) return several(hours / 24, "days");
    if (hours < 24 * 30 * 2) return several(hours / 24 / 7, "weeks");
    if (hours < 24 * 365 * 2) return several(hours / 24 / 30, "months");
    return several(seconds / 3600 / 24 / 365, "years");
}

std::int64_t parse_time(std::string_view text) {
    tm parts{};
    const std::string copy(text);
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return 0;
    std::int64_t seconds = ::timegm(&parts);
    while (*rest == '.' || (*rest >= '0' && *rest <= '9')) ++rest;
    int hours = 0, minutes = 0;
    char sign = 0;
    if (std::sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) == 3 && (sign == '+' || sign == '-'))
        seconds -= (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return seconds;
}

std::string api_time(std::string_view text, std::int64_t now_seconds) {
    if (text.empty()) return {};
    if (const auto back = parse_duration(text)) {
        const std::int64_t at = now_seconds * 1'000'000'000 - *back;
        char out[40];
        std::snprintf(out, sizeof out, "%lld.%09lld", static_cast<long long>(at / 1'000'000'000),
                      static_cast<long long>(at % 1'000'000'000));
        return out;
    }
    if (const std::int64_t at = parse_time(text); at != 0) {
        const std::size_t dot = text.find('.');
        std::string fraction;
        for (std::size_t i = dot;
             dot != std::string_view::npos && ++i < text.size() && text[i] >= '0' && text[i] <= '9';)
            fraction += text[i];
        return std::to_string(at) + (fraction.empty() ? "" : "." + fraction);
    }
    return std::string(text);
}

std::string short_id(std::string_view id) {
    if (id.starts_with("sha256:")) id.remove_prefix(7);
    return std::string(id.substr(0, 12));
}

DisplayReference display_reference(std::string_view reference) {
    if (const std::size_t at = reference.find('@'); at != std::string_view::npos) reference = reference.substr(0, at);
    const std::size_t slash = reference.rfind('/');
    const std::size_t colon = reference.find(':', slash == std::string_view::npos ? 0 : slash);
    if (colon == std::string_view::npos) return {std::string(reference), "<none>"};
    return {std::string(reference.substr(0, colon)), std::string(reference.substr(colon + 1))};
}

std::string ellipsis(std::string_view text, std::size_t width) {
    std::size_t characters = 0, cut = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
        if (++characters == width) cut = i;
    }
    if (characters <= width) return std::string(text);
    return std::string(text.substr(0, cut)) + "…";
}

}  // namespace dockerc
