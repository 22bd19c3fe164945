// What a container asks to have mounted, out of its three spellings: Binds, Mounts and Tmpfs.
#pragma once

#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

// "source:target[:options]" as in HostConfig.Binds; a source without a leading slash names a volume.
Result<MountSpec> parse_bind(std::string_view text);

// Everything, sorted by nothing: Binds, then Mounts, then Tmpfs. What cannot be parsed is left out: check_spec()
// refused it.
std::vector<MountSpec> mounts_of(const ContainerSpec& spec);

// dockerd's rules and words; host paths are looked at for Mounts (a missing source is refused, for Binds it is made).
Result<void> check_mounts(const ContainerSpec& spec);

}  // namespace engine::runtime
