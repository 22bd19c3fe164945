// Both ends of a pipe, close-on-exec.
#pragma once

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine {

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};
// bytes: the capacity wished for, 0 the kernel's usual one; a user at their limit (pipe(7)) gets less.
Result<Pipe> make_pipe(int bytes = 0);

}  // namespace engine
