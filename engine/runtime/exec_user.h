// The user of an exec, looked up when it is created, so that a name that does not exist is told at once.
#pragma once

#include <memory>
#include <string>

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"

namespace engine::runtime {

struct Container;

// "name[:group]" by the passwd and group files that the running container sees. The process itself looks again.
Task<void> check_container_user(std::shared_ptr<Container> container, std::string user, reactor::StopToken stop);

}  // namespace engine::runtime
