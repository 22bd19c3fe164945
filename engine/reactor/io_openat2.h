// openat2(2) on the ring, for paths whose parts belong to somebody else.
#pragma once

#include "engine/reactor/io.h"

struct open_how;

namespace engine::reactor::io {

// `how` says O_CLOEXEC itself and lives until the answer.
IoAwaiter<UniqueFd> openat2(int directory, const char* path, open_how* how, StopToken stop = {});

}  // namespace engine::reactor::io
