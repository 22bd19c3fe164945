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

}  // namespace engine::api
