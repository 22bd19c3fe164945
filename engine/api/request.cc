#include "engine/api/request.h"

#include <algorithm>

#include "engine/reactor/try.h"

namespace engine::api {
namespace {

std::string_view find(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view name) {
    for (const auto& [key, value] : pairs)
        if (key == name) return value;
    return {};
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string_view Request::header(std::string_view name) const { return find(headers, name); }
std::string_view Request::parameter(std::string_view name) const { return find(query, name); }

bool Request::has_parameter(std::string_view name) const {
    return std::any_of(query.begin(), query.end(), [&](const auto& pair) { return pair.first == name; });
}

bool Request::flag(std::string_view name, bool otherwise) const {
    if (!has_parameter(name)) return otherwise;
    std::string value(parameter(name));
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return !(value.empty() || value == "0" || value == "no" || value == "false" || value == "none");
}

void Request::clear() {
    method.clear();
    target.clear();
    path.clear();
    query.clear();
    headers.clear();
    captures.clear();
    version = api_version_newest;
    keep_alive = true;
    http_1_0 = upgrade_tcp = expects_continue = false;
    body = nullptr;
}

Result<std::string> url_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] == '%') {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return fail(ErrorKind::invalid, "invalid URL escape \"" + std::string(text.substr(i, 3)) + "\"");
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

Result<void> parse_target(Request& request) {
    std::string_view target = request.target;
    // The absolute form of a proxy request: http://host/path
    if (target.starts_with("http://")) {
        const std::size_t slash = target.find('/', 7);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    const std::size_t mark = target.find('?');
    request.path = std::string(target.substr(0, mark));
    if (mark == std::string_view::npos) return {};
    std::string_view rest = target.substr(mark + 1);
    while (!rest.empty()) {
        const std::size_t end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        TRY(auto name, url_decode(pair.substr(0, equals), true));
        std::string value;
        if (equals != std::string_view::npos) {
            TRY(value, url_decode(pair.substr(equals + 1), true));
        }
        request.query.emplace_back(std::move(name), std::move(value));
    }
    return {};
}

}  // namespace engine::api
