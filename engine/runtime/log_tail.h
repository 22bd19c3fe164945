// A log whose last record was cut short: by a full disk, or by the end of the engine that wrote it.
#pragma once

#include "engine/reactor/result.h"

namespace engine::runtime {

// Removes what stands behind the last newline. `fd` is open for reading and writing.
Result<void> cut_torn_record(int fd);

}  // namespace engine::runtime
