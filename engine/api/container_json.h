// A container as the API shows it: inspect and list item. Fields of older versions stand beside the new ones.
#pragma once

#include <optional>
#include <string>

#include "engine/api/api_version.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/runtime/container_service.h"

namespace engine::api {

struct ContainerSizes {
    std::int64_t writable = 0;  // bytes of the container's own layer
    std::int64_t whole = 0;     // with its image
};

std::string container_inspect(const Services& services, const runtime::Container& container,
                              const std::optional<ContainerSizes>& sizes);
void write_container_summary(json::Writer& w, const Services& services, const runtime::Container& container,
                             Nanoseconds now, const std::optional<ContainerSizes>& sizes);

}  // namespace engine::api
