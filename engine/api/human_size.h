#pragma once

#include <string>

namespace engine::api {

// Bytes as dockerd's progress bars print them: "1.024MB", at most four digits.
std::string human_size(double bytes);

}  // namespace engine::api
