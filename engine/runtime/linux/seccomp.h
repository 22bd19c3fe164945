// Seccomp profiles (Docker's JSON) compiled to the kernel's filter bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "engine/reactor/result.h"

namespace engine::runtime {

std::string_view default_seccomp_profile();

// The filter (sock_filter[] as bytes) of a profile for a container with these capabilities. Takes milliseconds.
Result<std::string> compile_seccomp(std::string_view profile_json, uint64_t capabilities);

// Compiles each (profile, capabilities) once. The profile "" is the default one.
class SeccompCache {
public:
    Result<std::string> filter(const std::string& profile_json, uint64_t capabilities);

private:
    static constexpr size_t kLimit = 64;  // then it starts afresh
    std::map<std::pair<std::string, uint64_t>, std::string> filters_;
};

}  // namespace engine::runtime
