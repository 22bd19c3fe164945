#include "engine/api/human_size.h"

#include <cstdio>
#include <iterator>

namespace engine::api {

std::string human_size(double bytes) {
    static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < std::size(units); ++unit) bytes /= 1000;
    char text[32];
    std::snprintf(text, sizeof text, "%.4g%s", bytes, units[unit]);
    return text;
}

}  // namespace engine::api
