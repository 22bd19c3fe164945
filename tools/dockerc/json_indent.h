// JSON text laid out with four spaces a level, as inspect prints it; the order and spelling of everything is kept.
#pragma once

#include <string>
#include <string_view>

namespace dockerc {

// `level` is that of the value itself; its first line is indented too.
std::string indented_json(std::string_view json, std::size_t level);

}  // namespace dockerc
