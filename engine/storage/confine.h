// A worker locks itself in before it touches foreign bytes.
#pragma once

#include "engine/reactor/result.h"

namespace engine::storage {

// Own mount namespace, chroot into `folder`, only the capabilities that making files needs, no_new_privs, a seccomp
// allow list (a call outside it fails with EPERM). Descriptors already open stay usable. umask becomes 0.
Result<void> confine_to(const char* folder);
// Its two halves, for a worker that has mounts of its own to make between them: own mount namespace with nothing
// propagated to the host's, umask and memory limit; then everything else, the root and working folder being set.
Result<void> leave_host_mounts();
Result<void> lock_in();

// For the process that speaks with a registry: nobody's user and group, no capabilities, no_new_privs, and a seccomp
// allow list with sockets, reading of files and threads (the resolver has one), without exec and without writing files.
Result<void> confine_to_network();

}  // namespace engine::storage
