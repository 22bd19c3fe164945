// Endpoints outside the mission (swarm, plugins, checkpoints): answered as a dockerd that does not use them answers.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> get_plugins(Services& services, Request& request, Response& response);
Task<void> no_such_plugin(Services& services, Request& request, Response& response);
Task<void> no_plugins(Services& services, Request& request, Response& response);
Task<void> get_volumes(Services& services, Request& request, Response& response);
Task<void> not_a_manager(Services& services, Request& request, Response& response);
Task<void> not_in_a_swarm(Services& services, Request& request, Response& response);
Task<void> no_swarm_mode(Services& services, Request& request, Response& response);
Task<void> not_experimental(Services& services, Request& request, Response& response);

}  // namespace engine::api
