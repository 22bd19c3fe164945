// A name for a container whose creator gave none: two words drawn by its id.
#pragma once

#include <string>
#include <string_view>

namespace engine::runtime {

// `id`: hexadecimal; the same id gives the same name. "quiet_harbor".
std::string generate_container_name(std::string_view id);

}  // namespace engine::runtime
