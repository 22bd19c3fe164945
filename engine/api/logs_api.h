// GET /containers/{}/logs
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> container_logs(Services& services, Request& request, Response& response);

}  // namespace engine::api
