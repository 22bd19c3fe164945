// Whole bodies, for handlers that parse them as JSON.
#pragma once

#include <string>

#include "engine/api/request.h"

namespace engine::api {

// At most json_body_bytes_max; longer: too_large.
Task<std::string> read_whole_body(Request& request);

}  // namespace engine::api
