// Memory of coroutine frames: size classes of 64 bytes with a free list each. Single-threaded. Counts live frames, so a
// test sees a leak without tools.
#pragma once

#include <cstddef>

namespace engine::reactor {

void* frame_allocate(std::size_t bytes);
void frame_release(void* frame, std::size_t bytes);
std::size_t frames_live();
// Gives cached frames back to the allocator (called when the loop has been idle).
void frame_pool_trim();

}  // namespace engine::reactor
