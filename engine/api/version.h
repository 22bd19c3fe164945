// What this engine calls itself. ENGINE_COMMIT and ENGINE_BUILD_TIME (seconds since 1970, of that commit) come from
// CMake.
#pragma once

#define ENGINE_VERSION "0.1.0"
#define ENGINE_SERVER_HEADER "Docker/" ENGINE_VERSION " (linux)"
#ifndef ENGINE_COMMIT
#define ENGINE_COMMIT "unknown"
#endif
#ifndef ENGINE_BUILD_TIME
#define ENGINE_BUILD_TIME 0
#endif
