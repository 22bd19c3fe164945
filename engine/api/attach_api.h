// A client at a container's streams: POST /containers/{}/attach and GET /containers/{}/attach/ws.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> attach_container(Services& services, Request& request, Response& response);
Task<void> attach_websocket(Services& services, Request& request, Response& response);

}  // namespace engine::api
