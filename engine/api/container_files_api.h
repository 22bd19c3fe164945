// /containers/{}/archive, export, changes, copy, and /commit: a container's files.
#pragma once

#include "engine/api/router.h"

namespace engine::api {

Task<void> stat_archive(Services& services, Request& request, Response& response);
Task<void> get_archive(Services& services, Request& request, Response& response);
Task<void> put_archive(Services& services, Request& request, Response& response);
Task<void> copy_from_container(Services& services, Request& request, Response& response);
Task<void> export_container(Services& services, Request& request, Response& response);
Task<void> container_changes(Services& services, Request& request, Response& response);
Task<void> commit_container(Services& services, Request& request, Response& response);

}  // namespace engine::api
