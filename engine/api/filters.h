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

}  // namespace engine::api
