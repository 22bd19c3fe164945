// /containers/{id}/exec and /exec.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> create_exec(Services& services, Request& request, Response& response);
Task<void> start_exec(Services& services, Request& request, Response& response);
Task<void> resize_exec(Services& services, Request& request, Response& response);
Task<void> inspect_exec(Services& services, Request& request, Response& response);

}  // namespace engine::api
