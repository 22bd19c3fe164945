// Whole bodies, for handlers that parse them as JSON.
#pragma once

#include <string>

#include "engine/api/request.h"

namespace engine::api {

// At most json_body_bytes_max; longer: too_large.
Task<std::string> read_whole_body(Request& request);
// A client that still sends its archive does not hear why it was refused: it is heard out first.
Task<void> hear_out(ByteSource* body);

}  // namespace engine::api
