// Capability sets as dockerd derives them from CapAdd, CapDrop and Privileged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::runtime {

uint64_t default_capabilities();  // dockerd's fourteen
uint64_t all_capabilities();  // every one this code knows; what the kernel or the keeper lacks is left out at the start

// "CAP_CHOWN", "chown", "CHOWN" -> bit number; -1: unknown.
int capability_number(std::string_view name);
std::string_view capability_name(int number);  // "CAP_CHOWN"

Result<uint64_t> container_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop,
                                        bool privileged);

}  // namespace engine::runtime
