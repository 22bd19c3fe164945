// What the readers of foreign JSON share.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

namespace engine::storage {

// The text of that name; "" where there is none, or something else.
inline std::string text_of(simdjson::dom::element value, std::string_view key) {
    std::string_view out;
    if (value[key].get(out) != simdjson::SUCCESS) return "";
    return std::string(out);
}

}  // namespace engine::storage
