// Endpoints outside the mission (swarm, plugins): answered as a dockerd without them answers.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> get_plugins(Services& services, Request& request, Response& response);
Task<void> get_volumes(Services& services, Request& request, Response& response);
Task<void> no_swarm(Services& services, Request& request, Response& response);

}  // namespace engine::api
