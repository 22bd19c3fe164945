// Pipes and what a new process gets of them. Shared by start and exec.
#pragma once

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::runtime {

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};
Result<Pipe> make_pipe();

// Both ends of a process's standard streams.
struct Stdio {
    UniqueFd child_in, child_out, child_err;  // none: /dev/null
    UniqueFd in, out, err;                    // ours; with a pty `in` is the master and `out` a duplicate of it
};

}  // namespace engine::runtime
