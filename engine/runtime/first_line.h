// Whoever reads a log right behind a start finds its first line, as behind a start that takes as long as dockerd's.
#pragma once

#include <memory>

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"
#include "engine/reactor/units.h"

namespace engine::runtime {

struct Container;

// A container that was started longer ago than this is not waited for.
constexpr Nanoseconds first_line_wait_max = 100 * millisecond;

// Until the log of a container that has just been started is not empty any more, the container has ended, or the time
// is over. At once for every other one.
Task<void> wait_for_first_line(std::shared_ptr<Container> container, reactor::StopToken stop);

}  // namespace engine::runtime
