// The last part of every plan: who the process is, what it may do, what it becomes. A container's first process and an
// exec's are the same here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::runtime {

class PlanWriter;

struct LaunchRlimit {
    int resource = 0;  // RLIMIT_*
    uint64_t soft = 0;
    uint64_t hard = 0;
};

struct ProcessInput {
    std::vector<std::string> argv;
    std::vector<std::string> env;  // complete but for HOME
    std::string cwd = "/";
    bool make_cwd = true;  // as dockerd does for a container, not for an exec
    std::string user;      // "", "name", "uid", "name:group", ...
    std::vector<uint32_t> groups_add;
    uint64_t capabilities = 0;  // mask, see capabilities.h
    std::string seccomp_bpf;    // sock_filter bytes; empty: unconfined
    bool no_new_privs = false;
    std::vector<LaunchRlimit> rlimits;
    int oom_score_adj = 0;
};

// No text holds a NUL byte, the working directory is absolute, there is a command.
Result<void> check_process(const ProcessInput& input);
Result<void> check_text(std::string_view text, std::string_view what);

// In the keeper's own /proc, so before anything is joined or mounted.
void add_oom_score(PlanWriter& plan, const ProcessInput& input);
// From rlimits to exec. The root is the container's by now.
void add_process(PlanWriter& plan, const ProcessInput& input);

}  // namespace engine::runtime
