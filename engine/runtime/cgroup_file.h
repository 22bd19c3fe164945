// Writing a control group's file, on the ring: the kernel may make the writer wait (for memory to be given back, for
// others who change groups).
#pragma once

#include <string>

#include "engine/reactor/task.h"

namespace engine::runtime {

Task<void> write_cgroup_file(std::string path, std::string text);

}  // namespace engine::runtime
