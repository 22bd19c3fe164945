// The bytes that a peer sends, received as they come, into buffers that the kernel takes from the loop's provided ones:
// a connection on which nothing comes holds none. One request for all of them where the kernel has multishot receive
// (6.0), one for each arrival elsewhere. Needs RingFeatures::buffer_ring.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/reactor/event.h"
#include "engine/reactor/operation.h"
#include "engine/reactor/task.h"

namespace engine::reactor {

class ReceiveStream : public Operation {
public:
    // `connection` is borrowed.
    explicit ReceiveStream(int connection);
    // Until bytes are there to take, or the peer has said that no more come. ENOBUFS: at the moment all buffers are
    // taken; the descriptor may be read in another way then, the request is not in flight.
    Task<void> arrival(StopToken stop);
    // How many bytes can be taken at once. 0 after an arrival: the end of the stream.
    std::size_t present() const { return received_.size() - taken_; }
    std::size_t take(std::span<std::byte> buffer);
    bool ended() const { return ended_; }
    // The kernel lets go of the request; what has come stays to be taken. Before the destructor, and before anything
    // else reads from the descriptor.
    Task<void> pause();

private:
    static void completed(Operation* self, int result, std::uint32_t flags, bool more);
    void cancel();

    // Copied out of the lent buffers, which go back at once: a peer that nobody listens to cannot hold them.
    std::string received_;
    std::size_t taken_ = 0;
    Event changed_;
    int error_ = 0;
    bool ended_ = false;
    bool cancelling_ = false;
};

}  // namespace engine::reactor
