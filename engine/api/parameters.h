// Query parameters that handlers share, refused in dockerd's words.
#pragma once

#include <string_view>

#include "engine/api/request.h"

namespace engine::api {

// An integer; absent: `otherwise`.
Result<long> integer_parameter(const Request& request, std::string_view name, long otherwise);

// A body, when there is one, says that it is JSON.
Result<void> check_json_type(const Request& request);

}  // namespace engine::api
