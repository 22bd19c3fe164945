// Wall-clock times as Go writes them.
#pragma once

#include <string>

#include "engine/reactor/units.h"

namespace engine {

// RFC3339Nano in UTC: trailing zeros of the fraction are dropped, none at all for a whole second. 0 is Go's zero
// time, 0001-01-01T00:00:00Z, which Docker shows for "never".
std::string rfc3339_nano(Nanoseconds realtime);

}  // namespace engine
