// The only door to io_uring. Submits operations, cancels them, waits for completions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/reactor/operation.h"
#include "engine/reactor/result.h"
#include "engine/reactor/units.h"

namespace engine::reactor {

struct RingFeatures {
    bool defer_taskrun = false;
    bool buffer_ring = false;        // provided buffers by ring (5.19)
    bool accept_multishot = false;   // 5.19
    bool receive_multishot = false;  // 6.0, into provided buffers
};

class UringBackend {
public:
    // Fails with a sentence an operator can act on: kernel too old, io_uring disabled by sysctl or seccomp.
    // `plain`: no optional flags and features, as on the oldest kernel (kept alive by tests).
    static Result<std::unique_ptr<UringBackend>> create(unsigned entries, bool plain);
    ~UringBackend();

    void submit(Operation* operation);
    void cancel(Operation* operation);
    // Submits what is queued, waits until one completion or `timeout` (negative: for ever; 0: not at all), then
    // hands every completion to its operation. Returns how many.
    unsigned turn(Nanoseconds timeout);

    const RingFeatures& features() const;
    // Provided buffers for receiving: group 0. Valid between completion and give_back.
    std::span<std::byte> buffer(std::uint16_t id, std::size_t length);
    static std::uint16_t buffer_id(std::uint32_t completion_flags);
    void give_back(std::uint16_t id);

private:
    struct State;
    explicit UringBackend(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace engine::reactor
