// An attached container or exec: its stream, our descriptors and signals in one poll loop.
#pragma once

#include <string>

#include "tools/dockerc/client.h"
#include "tools/dockerc/demultiplexer.h"
#include "tools/dockerc/detach_keys.h"

namespace dockerc {

struct SessionOptions {
    std::string object;  // "/containers/NAME" or "/exec/ID"
    bool tty = false;
    bool input = false;   // pass our stdin on
    bool signals = true;  // pass our signals on (never with a tty)
    DetachKeys detach_keys;
};

enum class SessionEnd { stream_ended, detached };

// Blocks the signals to be passed on; to be called before the container starts.
UniqueFd session_signals(const SessionOptions& options);
// Sets the object's terminal to the size of ours.
void session_resize(Client& client, const std::string& object);
// Pumps until the engine ends the stream or the user detaches.
Result<SessionEnd> session_run(Client& client, Hijacked stream, const SessionOptions& options, int signals);

// Writes all of it, whatever it takes.
Result<void> write_out(int fd, std::string_view bytes);

}  // namespace dockerc
