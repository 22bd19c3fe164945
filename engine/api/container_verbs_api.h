// /containers/{}/VERB: what is done to a container that is there, beside its start and end.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> restart_container(Services& services, Request& request, Response& response);
Task<void> pause_container(Services& services, Request& request, Response& response);
Task<void> unpause_container(Services& services, Request& request, Response& response);
Task<void> rename_container(Services& services, Request& request, Response& response);
Task<void> top_container(Services& services, Request& request, Response& response);
Task<void> update_container(Services& services, Request& request, Response& response);
Task<void> prune_containers(Services& services, Request& request, Response& response);

}  // namespace engine::api
