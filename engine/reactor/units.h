// Time in the engine: monotonic instants and durations in nanoseconds, wall-clock times in nanoseconds since 1970.
#pragma once

#include <cstdint>
#include <time.h>

namespace engine {

using Nanoseconds = std::int64_t;
constexpr Nanoseconds microsecond = 1'000;
constexpr Nanoseconds millisecond = 1'000'000;
constexpr Nanoseconds second = 1'000'000'000;

inline Nanoseconds clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * second + now.tv_nsec;
}
inline Nanoseconds monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
inline Nanoseconds realtime_ns() { return clock_ns(CLOCK_REALTIME); }

}  // namespace engine
