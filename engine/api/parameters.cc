#include "engine/api/parameters.h"

#include <charconv>

namespace engine::api {

Result<long> integer_parameter(const Request& request, std::string_view name, long otherwise) {
    std::string_view text = request.parameter(name);
    if (text.empty()) return otherwise;
    const std::string_view whole = text;
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    long value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ptr != text.data() + text.size() || parsed.ec == std::errc::invalid_argument)
        return fail(ErrorKind::invalid, "strconv.Atoi: parsing \"" + std::string(whole) + "\": invalid syntax");
    if (parsed.ec != std::errc{})
        return fail(ErrorKind::invalid, "strconv.Atoi: parsing \"" + std::string(whole) + "\": value out of range");
    return value;
}

Result<void> check_json_type(const Request& request) {
    const std::string_view type = request.header("content-type");
    const std::string_view length = request.header("content-length");
    const bool empty = (length.empty() || length == "0") && request.header("transfer-encoding").empty();
    if (type.empty() && empty) return {};
    if (type.empty()) return fail(ErrorKind::invalid, "malformed Content-Type header (): mime: no media type");
    std::string_view media = type.substr(0, type.find(';'));
    while (media.ends_with(' ')) media.remove_suffix(1);
    if (media == "application/json") return {};
    return fail(ErrorKind::invalid,
                "unsupported Content-Type header (" + std::string(type) + "): must be 'application/json'");
}

}  // namespace engine::api
