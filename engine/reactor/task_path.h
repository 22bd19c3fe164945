// Who is who among the runnables, for the log: looked up in the scopes' tree when something took long.
#pragma once

#include <string>

#include "engine/reactor/runnable.h"

namespace engine::reactor {

// "scope: task > coroutine > coroutine that ran"; "" when its task is not in a scope, or is gone already.
std::string task_path(const Runnable* item);

}  // namespace engine::reactor
