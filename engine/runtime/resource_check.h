// Limits on memory, CPU, processes and I/O at create and update: dockerd's refusals, and its warnings about what this
// host's kernel cannot do.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"
#include "engine/runtime/linux/cgroup_support.h"

namespace engine::runtime {

// What the kernel cannot do is taken out of the spec and told in the warnings. In an update, zero means "as it is".
Result<std::vector<std::string>> check_resources(ContainerSpec& spec, const CgroupSupport& support, bool update);

// dockerd's defaults that inspect shows: with a memory limit, twice as much with swap.
void complete_resources(ContainerSpec& spec);

}  // namespace engine::runtime
