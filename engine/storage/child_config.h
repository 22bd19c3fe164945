// The JSON of an image that stands on another one. Pure.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::storage {

struct ChildConfig {
    std::string container_id;
    std::string container_config;  // an object's text: what the container was asked to be
    std::string config;            // an object's text: what containers of the image start from
    std::string author;
    std::string comment;
    std::string created_by;
    std::string created;  // RFC 3339
    std::string diff_id;  // "": the image brings no layer of its own
};

// parent: the image's JSON, "" for none.
Result<std::string> child_config(std::string_view parent, const ChildConfig& child);

// The words of a config's Cmd with blanks between: what history calls created_by.
std::string command_text(std::string_view config);

}  // namespace engine::storage
