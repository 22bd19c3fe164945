// Images from and to registries: POST /images/create?fromImage, POST /images/{name}/push, POST /auth,
// GET /distribution/{name}/json, GET /images/search.
#pragma once

#include <string>

#include "engine/api/router.h"

namespace engine::storage {
struct RegistrySettings;
}

namespace engine::api {

// The RegistryConfig of GET /info.
std::string registry_config(const storage::RegistrySettings& settings);
// The fromImage half of POST /images/create.
Task<void> pull_image(Services& services, Request& request, Response& response);
Task<void> push_image(Services& services, Request& request, Response& response);
Task<void> check_login(Services& services, Request& request, Response& response);
Task<void> inspect_distribution(Services& services, Request& request, Response& response);
Task<void> search_images(Services& services, Request& request, Response& response);

}  // namespace engine::api
