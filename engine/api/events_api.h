// GET /events: what happens, as JSON objects, until the client leaves or `until` comes.
#pragma once

#include "engine/api/request.h"
#include "engine/api/response.h"
#include "engine/reactor/task.h"

namespace engine::api {

struct Services;

Task<void> stream_events(Services& services, Request& request, Response& response);

}  // namespace engine::api
