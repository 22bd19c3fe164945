// Limits of the loop. Their reasons stand in docs/design.md, "Limits".
#pragma once

#include <cstddef>

namespace engine::reactor {

constexpr unsigned ring_entries = 1024;              // submission slots; a full queue is submitted, never an error
constexpr std::size_t receive_buffers = 256;         // provided buffers shared by all connections; a power of two
constexpr std::size_t receive_buffer_bytes = 16384;  // touched only when used
constexpr std::size_t receive_queue_max = 16;        // buffers one connection may hold before its receive is stopped
constexpr long turn_slow_ns = 5'000'000;             // a turn longer than this is counted
static_assert((receive_buffers & (receive_buffers - 1)) == 0);
static_assert(receive_queue_max * 4 <= receive_buffers, "four stalled clients must not starve the others");

}  // namespace engine::reactor
