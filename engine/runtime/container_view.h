// A container as people read it: words, not JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/container.h"
#include "engine/runtime/mount_spec.h"

namespace engine::runtime {

std::string_view status_word(ContainerStatus status);  // "created", "running", ...
bool is_status_word(std::string_view word);            // those dockerd knows, "restarting" too
// "Up 3 seconds", "Exited (0) 2 minutes ago": the STATUS column.
std::string status_text(const ContainerState& state, Nanoseconds now);

// The process: what runs, and its arguments.
std::string process_path(const ContainerSpec& spec);
std::vector<std::string> process_arguments(const ContainerSpec& spec);
// Path and arguments in one line, arguments with a space quoted.
std::string command_line(const ContainerSpec& spec);

// What inspect lists under Mounts: binds and what HostConfig.Mounts names, not HostConfig.Tmpfs.
std::vector<MountSpec> mount_points(const ContainerSpec& spec);

// "none", "host" or "bridge".
std::string network_name(const ContainerSpec& spec);

}  // namespace engine::runtime
