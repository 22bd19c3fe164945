// GET /containers/{id}/stats
#pragma once

#include "engine/api/request.h"
#include "engine/api/response.h"

namespace engine::api {

struct Services;

Task<void> container_stats(Services& services, Request& request, Response& response);

}  // namespace engine::api
