// Identifiers of containers and execs.
#pragma once

#include <string>

namespace engine::runtime {

std::string new_id();  // 64 random hexadecimal digits

}  // namespace engine::runtime
