// What a new process gets of its standard streams. Shared by start and exec.
#pragma once

#include "engine/reactor/pipe.h"

namespace engine::runtime {

// Both ends of a process's standard streams.
struct Stdio {
    UniqueFd child_in, child_out, child_err;  // none: /dev/null
    UniqueFd in, out, err;                    // ours; with a pty `in` is the master and `out` a duplicate of it
};

}  // namespace engine::runtime
