// A sample of what a container uses, as Docker writes it.
#pragma once

#include <string>

#include "engine/api/api_version.h"
#include "engine/runtime/stats_service.h"

namespace engine::runtime {
struct Container;
}

namespace engine::api {

// One line. `before`: the sample before this one, or none.
std::string stats_json(const runtime::Container& container, const runtime::StatsSample& sample,
                       const runtime::StatsSample* before, ApiVersion version);

}  // namespace engine::api
