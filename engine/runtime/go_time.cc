#include "engine/runtime/go_time.h"

#include <time.h>

#include <cstdio>

namespace engine::runtime {

std::string rfc3339_nano(std::int64_t ns) {
    if (ns == 0) return "0001-01-01T00:00:00Z";
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::int64_t fraction = ns % kSecond;
    time_t seconds = ns / kSecond;
    if (fraction < 0) fraction += kSecond, --seconds;
    tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    std::size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::string out(text, size);
    if (fraction != 0) {
        std::snprintf(text, sizeof text, ".%09lld", static_cast<long long>(fraction));
        out += text;
        while (out.back() == '0') out.pop_back();
    }
    return out += 'Z';
}

std::string rfc3339_nano_fixed(std::int64_t ns) {
    const time_t seconds = ns / 1'000'000'000;
    tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    const std::size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + size, sizeof text - size, ".%09lldZ", static_cast<long long>(ns % 1'000'000'000));
    return text;
}

std::string human_duration(std::int64_t ns) {
    const std::int64_t seconds = ns / 1'000'000'000, minutes = seconds / 60, hours = (minutes + 30) / 60;
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return std::to_string(seconds) + " seconds";
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return std::to_string(minutes) + " minutes";
    if (hours == 1) return "About an hour";
    if (hours < 48) return std::to_string(hours) + " hours";
    const std::int64_t whole = seconds / 3600;
    if (whole < 24 * 7 * 2) return std::to_string(whole / 24) + " days";
    if (whole < 24 * 30 * 2) return std::to_string(whole / 24 / 7) + " weeks";
    if (whole < 24 * 365 * 2) return std::to_string(whole / 24 / 30) + " months";
    return std::to_string(whole / 24 / 365) + " years";
}

}  // namespace engine::runtime
