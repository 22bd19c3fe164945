// Times and durations as Go prints them.
#pragma once

#include <cstdint>
#include <string>

namespace engine::runtime {

// RFC3339Nano in UTC: trailing zeros of the fraction dropped. 0 is Go's zero time, "0001-01-01T00:00:00Z".
std::string rfc3339_nano(std::int64_t ns);
// The same with all nine digits of the fraction: what `docker logs -t` prints.
std::string rfc3339_nano_fixed(std::int64_t ns);
// "About a minute", "2 hours": docker's words for a duration.
std::string human_duration(std::int64_t ns);

}  // namespace engine::runtime
