#pragma once

#include <string>

#include "engine/storage/reference.h"

namespace engine::storage {

// A reference as people see it; what does not parse stays as it is.
inline std::string familiar_of(const std::string& reference) {
    const auto parsed = parse_reference(reference);
    return parsed ? parsed->familiar() : reference;
}

}  // namespace engine::storage
