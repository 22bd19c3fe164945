// Images from and to registries: POST /images/create?fromImage, POST /images/{name}/push, POST /auth,
// GET /distribution/{name}/json, GET /images/search.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

// The fromImage half of POST /images/create.
Task<void> pull_image(Services& services, Request& request, Response& response);
Task<void> push_image(Services& services, Request& request, Response& response);
Task<void> check_login(Services& services, Request& request, Response& response);
Task<void> inspect_distribution(Services& services, Request& request, Response& response);
Task<void> search_images(Services& services, Request& request, Response& response);

}  // namespace engine::api
