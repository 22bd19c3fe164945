// The net worker: `dockercd worker net`, one process per engine, started with it. It does what may block in the kernel
// (see docs/design.md, "Networking"), one call after the other, and ends when the engine's end of its socket is closed.
#pragma once

namespace engine::net {

constexpr int net_worker_socket = 3;   // its descriptor for calls

int net_worker_main();

}  // namespace engine::net
