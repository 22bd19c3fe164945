// The 8-byte header in front of each piece of a stream that carries stdout and stderr together.
#pragma once

#include <array>
#include <cstdint>

namespace engine::runtime {

enum class LogStream : unsigned char { stdin_, stdout_, stderr_, system_error };

inline std::array<char, 8> frame_header(LogStream stream, std::uint32_t size) {
    return {static_cast<char>(stream), 0, 0, 0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
            static_cast<char>(size >> 8), static_cast<char>(size)};
}

}  // namespace engine::runtime
