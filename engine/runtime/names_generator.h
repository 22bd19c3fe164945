// Container names.
#pragma once

#include <string_view>

#include "engine/reactor/result.h"

namespace engine::runtime {

// [a-zA-Z0-9][a-zA-Z0-9_.-]+, with or without one leading slash.
Result<void> check_container_name(std::string_view name);

}  // namespace engine::runtime
