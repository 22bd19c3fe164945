#include "engine/reactor/pipe.h"

#include <fcntl.h>
#include <unistd.h>

namespace engine {

Result<Pipe> make_pipe(int bytes) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "making a pipe");
    if (bytes > 0) ::fcntl(ends[1], F_SETPIPE_SZ, bytes);
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace engine
