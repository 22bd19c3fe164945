// Limits at the door. What happens at each stands in docs/design.md, "Limits".
#pragma once

#include <cstddef>

#include "engine/reactor/limits.h"
#include "engine/reactor/units.h"

namespace engine::api {

constexpr std::size_t header_bytes_max = 64 * 1024;         // request line and headers together: 431
constexpr std::size_t headers_max = 128;                    // 431
constexpr std::size_t json_body_bytes_max = 8 * 1024 * 1024;  // a body that is parsed as JSON: 413
constexpr std::size_t connections_max = 8192;               // further ones are answered 503 and closed
constexpr std::size_t input_buffer_bytes = 16 * 1024;       // what one receive may bring
constexpr std::size_t body_buffer_bytes = 256 * 1024;       // the same, while a large body comes
constexpr std::size_t body_drain_max = 256 * 1024;          // of an unread body, to keep the connection; more: closed
constexpr Nanoseconds idle_timeout = 600 * second;          // between requests
constexpr Nanoseconds header_timeout = 30 * second;         // from a request's first byte to its last header
// How long a client may take.
struct Patience {
    Nanoseconds idle = idle_timeout;
    Nanoseconds head = header_timeout;
};
static_assert(input_buffer_bytes <= header_bytes_max);
static_assert(input_buffer_bytes >= reactor::receive_buffer_bytes);

}  // namespace engine::api
