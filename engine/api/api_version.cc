#include "engine/api/api_version.h"

#include <charconv>

namespace engine::api {

std::string version_text(ApiVersion version) {
    return std::to_string(version.major) + "." + std::to_string(version.minor);
}

Result<ApiVersion> take_version(std::string& path) {
    const std::string_view text = path;
    if (text.size() < 3 || !text.starts_with("/v") || text[2] < '0' || text[2] > '9') return api_version_newest;
    ApiVersion version;
    const char* end = text.data() + text.size();
    const auto major = std::from_chars(text.data() + 2, end, version.major);
    if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return api_version_newest;
    const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
    if (minor.ec != std::errc{} || (minor.ptr != end && *minor.ptr != '/')) return api_version_newest;
    if (version > api_version_newest)
        return fail(ErrorKind::invalid, "client version " + version_text(version) +
                                            " is too new. Maximum supported API version is " +
                                            version_text(api_version_newest));
    if (version < api_version_lenient)
        return fail(ErrorKind::invalid, "client version " + version_text(version) +
                                            " is too old. Minimum supported API version is " +
                                            version_text(api_version_oldest) +
                                            ", please upgrade your client to a newer version");
    path.erase(0, static_cast<std::size_t>(minor.ptr - text.data()));
    if (path.empty()) path = "/";
    return version;
}

}  // namespace engine::api
