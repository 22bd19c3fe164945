#include "engine/reactor/time_text.h"

#include <cstdio>

namespace engine {

std::string rfc3339_nano(Nanoseconds realtime) {
    if (realtime == 0) return "0001-01-01T00:00:00Z";
    time_t seconds = realtime / second;
    Nanoseconds fraction = realtime % second;
    if (fraction < 0) {
        fraction += second;
        --seconds;
    }
    tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    const std::size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::string out(text, length);
    if (fraction != 0) {
        std::snprintf(text, sizeof text, ".%09lld", static_cast<long long>(fraction));
        out += text;
        while (out.back() == '0') out.pop_back();
    }
    return out + 'Z';
}

}  // namespace engine
