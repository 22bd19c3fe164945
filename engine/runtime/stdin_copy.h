// What a client types, brought to a process. Shared by attach and exec.
#pragma once

#include <memory>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/stop_token.h"
#include "engine/reactor/unique_fd.h"

namespace engine::runtime {

class DetachMatcher;

enum class StdinEnd : unsigned char {
    closed,    // the client has shut its side down
    detached,  // it has typed the detach keys
};

// Until the input ends or `stop` fires. `to` is shared, so that whoever gives the process up meanwhile does not take
// the descriptor away under a write. keys: none when nothing ends it.
Task<StdinEnd> copy_stdin(ByteSource* input, std::shared_ptr<UniqueFd> to, DetachMatcher* keys,
                          reactor::StopToken stop);

}  // namespace engine::runtime
