// /containers: the verbs of a container's life.
#pragma once

#include <memory>
#include <optional>

#include "engine/api/container_json.h"
#include "engine/api/router.h"

namespace engine::api {

// Walking the trees is a worker's: only when asked for.
Task<std::optional<ContainerSizes>> sizes_of(Services& services, std::shared_ptr<runtime::Container> container,
                                             bool wanted, reactor::StopToken stop);

Task<void> list_containers(Services& services, Request& request, Response& response);
Task<void> inspect_container(Services& services, Request& request, Response& response);
Task<void> create_container(Services& services, Request& request, Response& response);
Task<void> start_container(Services& services, Request& request, Response& response);
Task<void> stop_container(Services& services, Request& request, Response& response);
Task<void> kill_container(Services& services, Request& request, Response& response);
Task<void> wait_container(Services& services, Request& request, Response& response);
Task<void> remove_container(Services& services, Request& request, Response& response);
Task<void> resize_container(Services& services, Request& request, Response& response);

}  // namespace engine::api
