// Splits the engine's stream of frames {stream, 0, 0, 0, length (big endian)} into stdout and stderr.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "engine/reactor/result.h"

namespace dockerc {

class Demultiplexer {
public:
    // Calls out(descriptor 1 or 2, bytes) for each piece, in order.
    template <class Out>
    engine::Result<void> feed(std::string_view bytes, Out out) {
        while (!bytes.empty()) {
            if (left_ == 0) {
                header_[have_++] = static_cast<unsigned char>(bytes.front());
                bytes.remove_prefix(1);
                if (have_ < header_.size()) continue;
                have_ = 0;
                if (header_[0] > 3)
                    return engine::fail(engine::ErrorKind::invalid,
                                        "Unrecognized input header: " + std::to_string(header_[0]));
                left_ = std::uint32_t{header_[4]} << 24 | std::uint32_t{header_[5]} << 16 |
                        std::uint32_t{header_[6]} << 8 | std::uint32_t{header_[7]};
                continue;
            }
            const std::string_view piece = bytes.substr(0, left_);
            left_ -= static_cast<std::uint32_t>(piece.size());
            bytes.remove_prefix(piece.size());
            out(header_[0] >= 2 ? 2 : 1, piece);
        }
        return {};
    }

private:
    std::array<unsigned char, 8> header_{};
    std::size_t have_ = 0;
    std::uint32_t left_ = 0;
};

}  // namespace dockerc
