// The `changes` of an import: Dockerfile instructions that set fields of an image's configuration. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::storage {

// The text of the `config` object that the instructions make of an empty one, with dockerd's fields and words of error.
// Instructions that run something or bring files are refused: "run is not a valid change command".
Result<std::string> config_of_changes(std::span<const std::string> changes);

// The same on top of a config (an object's text, "" for an empty one), and what is then still open taken from the
// container's config, as a commit does.
Result<std::string> committed_config(std::string_view config, std::span<const std::string> changes,
                                     std::string_view container_config);

// Go's durations, in nanoseconds: "1m30s", "500ms", "1.5h".
std::optional<int64_t> parse_duration(std::string_view text);

}  // namespace engine::storage
