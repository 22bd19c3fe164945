// The keeper's side of a v2 container's device rules: the program is loaded and attached to its group before anyone is
// in it. The last one stays loaded, for most containers have the same.
#pragma once

#include <cstddef>

namespace engine::runtime {

// `program`: struct bpf_insn[], `size` in bytes. 0 or an errno.
int attach_device_filter(const char* program, size_t size, const char* cgroup_directory);

}  // namespace engine::runtime
