#include "engine/api/router.h"

#include "engine/reactor/try.h"

namespace engine::api {
namespace {

// The end of the segment that begins at `at`.
std::size_t segment_end(std::string_view path, std::size_t at) {
    const std::size_t end = path.find('/', at);
    return end == std::string_view::npos ? path.size() : end;
}

}  // namespace

bool match_pattern(std::string_view pattern, std::string_view path, std::vector<std::string_view>& captures) {
    while (true) {
        const std::size_t brace = pattern.find('{');
        if (brace == std::string_view::npos) return pattern == path;
        if (path.substr(0, brace) != pattern.substr(0, brace)) return false;
        path.remove_prefix(brace);
        const bool many = pattern.substr(brace).starts_with("{*}");
        pattern.remove_prefix(brace + (many ? 3 : 2));
        if (!many) {
            const std::size_t end = segment_end(path, 0);
            if (end == 0) return false;
            captures.push_back(path.substr(0, end));
            path.remove_prefix(end);
            continue;
        }
        // Nothing captures behind {*}: what is left of the pattern must end the path.
        if (path.size() <= pattern.size() || !path.ends_with(pattern)) return false;
        captures.push_back(path.substr(0, path.size() - pattern.size()));
        return true;
    }
}

Result<const Route*> Router::find(Request& request) const {
    std::vector<std::string_view> captures;
    bool other_method = false;
    for (const Route& route : routes_) {
        captures.clear();
        if (route.method != request.method) {
            other_method = other_method || match_pattern(route.pattern, request.path, captures);
            continue;
        }
        if (!match_pattern(route.pattern, request.path, captures)) continue;
        for (std::string_view capture : captures) {
            TRY(auto decoded, url_decode(capture, false));
            request.captures.push_back(std::move(decoded));
        }
        return &route;
    }
    // gorilla/mux, which dockerd routes with, knows no 405 either: the words are the same.
    ignore_result(other_method, "an unknown method on a known path is a page that is not there");
    return fail(ErrorKind::not_found, "page not found");
}

}  // namespace engine::api
