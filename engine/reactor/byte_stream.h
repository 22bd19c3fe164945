// Bytes that arrive and bytes that leave, with back-pressure: what storage and runtime see of a connection, pipe or
// file.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "engine/reactor/task.h"

namespace engine {

class ByteSource {
public:
    virtual ~ByteSource() = default;
    // At least one byte; 0 = end. One reader at a time.
    virtual Task<std::size_t> read(std::span<std::byte> buffer) = 0;
    // For good: who reads or will read gets the end.
    virtual void end_reading() {}
};

class ByteSink {
public:
    virtual ~ByteSink() = default;
    // All of it, in order. Fails when the other side is gone. One writer at a time.
    virtual Task<void> write(std::span<const std::byte> bytes) = 0;
    // As much of both as is taken at once, in order; the caller sees to the rest. Not while a write is under way.
    virtual std::size_t try_write(std::span<const std::byte> /*head*/, std::span<const std::byte> /*body*/) {
        return 0;
    }
    // The other side is given up: writes fail from now on, one that is under way included.
    virtual void abandon() {}
};

}  // namespace engine
