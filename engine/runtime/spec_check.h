// What a create body may ask for: dockerd's refusals in dockerd's words, and a warning for everything that is kept and
// shown but not acted upon.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

// Before anything is made. The spec is merged with the image's configuration already.
Result<void> check_spec(const ContainerSpec& spec);

// For the answer to create.
std::vector<std::string> spec_warnings(const ContainerSpec& spec);

// "10m", "1.5g", "4096": bytes, as docker/go-units reads them; negative: it cannot be read.
std::int64_t parse_ram_size(std::string_view text);

}  // namespace engine::runtime
