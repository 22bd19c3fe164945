#include "engine/runtime/stdio.h"

#include <fcntl.h>
#include <unistd.h>

namespace engine::runtime {

Result<Pipe> make_pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "making a pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace engine::runtime
