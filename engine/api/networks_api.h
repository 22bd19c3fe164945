// Networks over HTTP.
#pragma once

#include "engine/api/request.h"
#include "engine/api/response.h"

namespace engine::api {

struct Services;

Task<void> list_networks(Services& services, Request& request, Response& response);
Task<void> inspect_network(Services& services, Request& request, Response& response);
Task<void> create_network(Services& services, Request& request, Response& response);
Task<void> remove_network(Services& services, Request& request, Response& response);
Task<void> connect_network(Services& services, Request& request, Response& response);
Task<void> disconnect_network(Services& services, Request& request, Response& response);
// Ours: dockerd has no such thing.
Task<void> plug_interface(Services& services, Request& request, Response& response);
Task<void> unplug_interface(Services& services, Request& request, Response& response);
Task<void> prune_networks(Services& services, Request& request, Response& response);

}  // namespace engine::api
