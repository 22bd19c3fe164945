// The devices of a container: nodes made in its /dev and what its control group lets it use.
#pragma once

#include <vector>

#include "engine/runtime/container_spec.h"
#include "engine/runtime/linux/device_rules.h"
#include "engine/runtime/linux/launch_plan.h"

namespace engine::runtime {

struct ContainerDevices {
    std::vector<LaunchDevice> nodes; // beside the usual ones
    std::vector<DeviceRule> rules;   // of one that is not privileged: everything that it may use
};

// Looks at the host's nodes. One that is not there: invalid, in dockerd's words.
Result<ContainerDevices> container_devices(const ContainerSpec& spec);

}  // namespace engine::runtime
