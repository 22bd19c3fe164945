// Reading and writing the small files that tell a container of its network.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::runtime {

// In place: the file may be bound into a running container, which must see the same inode.
Result<void> write_network_file(const std::string& path, std::string_view text);
std::string host_file(const char* path);   // "" when there is none

}  // namespace engine::runtime
