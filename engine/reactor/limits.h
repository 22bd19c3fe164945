// Limits of the loop. Their reasons stand in docs/design.md, "Limits".
#pragma once

#include <cstddef>

namespace engine::reactor {

constexpr unsigned ring_entries = 1024;              // submission slots; a full queue is submitted, never an error
constexpr std::size_t receive_buffers = 64;          // provided buffers, held only from a completion to its handling
constexpr std::size_t receive_buffer_bytes = 8192;   // the kernel takes them in turn: all are touched after a while
constexpr std::size_t received_bytes_max = 64 * 1024;  // that nobody has taken yet; then the peer has to wait
constexpr int rounds_max = 32;                       // of the ready queue in one turn,
constexpr long rounds_ns = 100'000;                   // and no further one after this time
constexpr long turn_slow_ns = 5'000'000;             // a turn longer than this is counted
static_assert((receive_buffers & (receive_buffers - 1)) == 0);

}  // namespace engine::reactor
