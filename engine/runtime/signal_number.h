// Signals as Docker's API names them.
#pragma once

#include <string_view>

#include "engine/reactor/result.h"

namespace engine::runtime {

// "SIGTERM", "term", "15", "RTMIN+3"; "" is SIGKILL.
Result<int> signal_number(std::string_view text);

}  // namespace engine::runtime
