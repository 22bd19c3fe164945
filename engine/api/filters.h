// The `filters` query parameter, in both of its JSON forms: {"label":["a","b"]} and {"label":{"a":true,"b":true}}.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::api {

using Filters = std::map<std::string, std::vector<std::string>>;

Result<Filters> parse_filters(std::string_view json);
// Fails with dockerd's words on a name not in `accepted`.
Result<void> check_filters(const Filters& filters, std::initializer_list<std::string_view> accepted);

// Empty when there is none of that name.
const std::vector<std::string>& filter_values(const Filters& filters, std::string_view name);
// "key" or "key=value".
bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted);

}  // namespace engine::api
