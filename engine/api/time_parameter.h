// Points in time in query parameters: "1700000000", "1700000000.000000001", RFC 3339, or how long ago ("10m", "1h30m").
#pragma once

#include <optional>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/reactor/units.h"

namespace engine::api {

// Nanoseconds since 1970; none when `text` is empty.
Result<std::optional<Nanoseconds>> parse_time(std::string_view text, Nanoseconds now);

}  // namespace engine::api
