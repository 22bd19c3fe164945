// The API version a path asks for. 1.24 to 1.51 are served; 1.15 to 1.23 are accepted leniently for clients of 2014.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::api {

struct ApiVersion {
    int major = 0;
    int minor = 0;
    auto operator<=>(const ApiVersion&) const = default;
};
constexpr ApiVersion api_version_newest{1, 51};
constexpr ApiVersion api_version_oldest{1, 24};    // advertised
constexpr ApiVersion api_version_lenient{1, 15};   // accepted

std::string version_text(ApiVersion version);

// Takes "/vX.Y" off the front of `path`. Without one, the newest. dockerd's words when it is out of range.
Result<ApiVersion> take_version(std::string& path);

}  // namespace engine::api
