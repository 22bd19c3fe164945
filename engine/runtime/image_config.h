// The part of an image's JSON that a container starts from.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::runtime {

// The text of its `config` object; "" when it has none.
Result<std::string> runtime_config_of(std::string_view image_json);

// Its config's labels; none when it cannot be read.
std::map<std::string, std::string> image_labels_of(std::string_view image_json);

}  // namespace engine::runtime
