// /_ping, /version, /info.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> get_ping(Services& services, Request& request, Response& response);
Task<void> get_version(Services& services, Request& request, Response& response);
Task<void> get_info(Services& services, Request& request, Response& response);

}  // namespace engine::api
