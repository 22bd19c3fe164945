// /images: load, import, list, inspect, history, tag, remove.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> load_images(Services& services, Request& request, Response& response);
Task<void> list_images(Services& services, Request& request, Response& response);
Task<void> create_image(Services& services, Request& request, Response& response);
Task<void> inspect_image(Services& services, Request& request, Response& response);
Task<void> history_of_image(Services& services, Request& request, Response& response);
Task<void> tag_image(Services& services, Request& request, Response& response);
Task<void> prune_images(Services& services, Request& request, Response& response);
Task<void> save_images(Services& services, Request& request, Response& response);
Task<void> remove_image(Services& services, Request& request, Response& response);

}  // namespace engine::api
