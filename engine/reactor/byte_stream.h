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
};

class ByteSink {
public:
    virtual ~ByteSink() = default;
    // All of it, in order. Fails when the other side is gone. One writer at a time.
    virtual Task<void> write(std::span<const std::byte> bytes) = 0;
};

}  // namespace engine
