// The standard descriptors of a child between clone and execve, once it stands in the container's own root.
#pragma once

#include <cstdint>

namespace engine::runtime {

// Makes a terminal in the container's own devpts, so that ttyname(3) finds it there: the slave becomes 0, 1, 2 and the
// controlling terminal, the master leaves through the socket `status_fd` (kTerminalMade). 0x0 leaves the size alone.
// Returns 0 or an errno.
int make_terminal(unsigned rows, unsigned columns, int status_fd);

// Standard descriptors that are the keeper's /dev/null become the container's: a process that is root in there could
// change the mode of the host's through /proc/self/fd. Returns 0 or an errno.
int localize_null();

}  // namespace engine::runtime
