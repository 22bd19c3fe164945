// Which devices a container's processes may open and make. Rules only allow: what none names is refused. Version 1
// takes them as lines of devices.allow (kernel: admin-guide/cgroup-v1/devices), version 2 as a program that the kernel
// asks at each open and mknod (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE). Pure, but for the probe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::runtime {

enum DeviceAccess : uint8_t { kDeviceMake = 1, kDeviceRead = 2, kDeviceWrite = 4, kDeviceAll = 7 };

struct DeviceRule {
    char type = 'c';      // 'c', 'b', or 'a' for both
    int64_t major = -1;   // -1: any
    int64_t minor = -1;
    uint8_t access = kDeviceAll;
};

// As Docker has them: any node may be made, the harmless ones and terminals may be used.
const std::vector<DeviceRule>& default_device_rules();

// "c 1:3 rwm", "b *:* m": the form of --device-cgroup-rule. Its own words when it is none, as dockerd's.
Result<DeviceRule> parse_device_rule(std::string_view text);
// Some of 'r', 'w', 'm'; 0 when it is none of that.
uint8_t parse_device_access(std::string_view text);

// For devices.allow, one write each.
std::vector<std::string> device_rule_lines(const std::vector<DeviceRule>& rules);
// Bytes of struct bpf_insn[].
std::string device_program(const std::vector<DeviceRule>& rules);

// Whether this kernel takes such a program.
bool device_programs_work();

}  // namespace engine::runtime
