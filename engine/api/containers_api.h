// /containers: the verbs of a container's life.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> list_containers(Services& services, Request& request, Response& response);
Task<void> inspect_container(Services& services, Request& request, Response& response);
Task<void> create_container(Services& services, Request& request, Response& response);
Task<void> start_container(Services& services, Request& request, Response& response);
Task<void> stop_container(Services& services, Request& request, Response& response);
Task<void> kill_container(Services& services, Request& request, Response& response);
Task<void> wait_container(Services& services, Request& request, Response& response);
Task<void> remove_container(Services& services, Request& request, Response& response);
Task<void> attach_container(Services& services, Request& request, Response& response);
Task<void> resize_container(Services& services, Request& request, Response& response);

}  // namespace engine::api
