// What a child of the keeper reports before execve: where it failed, or the terminal that it has made. Shared by start
// and exec.
#pragma once

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"
#include "engine/runtime/linux/keeper_protocol.h"
#include "engine/runtime/stdio.h"

namespace engine::runtime {

// A terminal's master comes through it, so it is a socket then.
Result<Pipe> make_status(bool terminal);

struct Report {
    LaunchFailure record{};
    UniqueFd terminal;
    bool done = false;  // end of file: execve is done
};
Task<Report> read_report(int status, bool terminal, reactor::StopToken stop);

}  // namespace engine::runtime
