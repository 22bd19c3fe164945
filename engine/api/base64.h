// RFC 4648, with padding.
#pragma once

#include <string>
#include <string_view>

namespace engine::api {

std::string base64_of(std::string_view bytes);

}  // namespace engine::api
