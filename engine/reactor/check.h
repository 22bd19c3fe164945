// Checks that stay on in release. A failed check is a bug of ours, never a fact of the world: a malformed request,
// a missing layer or a dead child is an Error.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace engine::reactor {

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
    std::fprintf(stderr, "dockercd: check failed: %s at %s:%d\n", what, file, line);
    std::abort();
}

}  // namespace engine::reactor

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) [[unlikely]]                                                         \
            ::engine::reactor::check_failed(#condition, __FILE__, __LINE__);                   \
    } while (false)

#define UNREACHABLE(why) ::engine::reactor::check_failed("unreachable: " why, __FILE__, __LINE__)
