// Seccomp profiles (Docker's JSON) compiled to the kernel's filter bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::runtime {

std::string_view default_seccomp_profile();

// The filter (sock_filter[] as bytes) of a profile for a container with these capabilities. Takes milliseconds.
Result<std::string> compile_seccomp(std::string_view profile_json, uint64_t capabilities);

}  // namespace engine::runtime
