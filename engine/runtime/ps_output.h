// What the host's `ps` prints, read as dockerd reads it: a header, and the lines of a container's processes. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::runtime {

struct ProcessTable {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> processes;
};

// Another column must not pass for PID.
Result<void> check_ps_arguments(std::string_view arguments);
// Cut at each single space, as dockerd does.
std::vector<std::string> split_ps_arguments(std::string_view arguments);
// "-q1,2,3"
std::string ps_pids_argument(const std::vector<int>& pids);
// Lines of other processes are left out. Lines without a pid (threads) belong to the process above them.
Result<ProcessTable> parse_ps_output(std::string_view output, const std::vector<int>& pids);

}  // namespace engine::runtime
