// What POST /containers/{}/update may change of a spec. Pure.
#pragma once

#include <string_view>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

// The spec with the update's fields in it; `wanted` comes from parse_update_body(), checked. What it leaves out, or
// sets to zero, stays. dockerd's conflicts.
Result<ContainerSpec> merge_update(const ContainerSpec& spec, const ContainerSpec& wanted);

}  // namespace engine::runtime
