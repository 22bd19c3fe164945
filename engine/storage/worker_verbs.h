// The worker's verbs that look into containers and write archives.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::storage {

// Nothing: not one of these verbs. `answer` is called once, before an archive is written; not at all on an earlier
// error.
std::optional<Result<void>> perform_streaming(std::string_view verb, std::span<char*> arguments,
                                              const std::function<void(std::string)>& answer);

}  // namespace engine::storage
