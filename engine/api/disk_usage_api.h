// GET /system/df: what images, containers and the rest take on the disk.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> get_disk_usage(Services& services, Request& request, Response& response);

}  // namespace engine::api
