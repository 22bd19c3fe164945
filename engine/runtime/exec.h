// One exec: a process that joins a container which runs. Exists from its creation until some minutes after its end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/stop_token.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"

namespace engine::runtime {

struct Container;
class Output;

struct TerminalSize {
    unsigned rows = 0, columns = 0;
};

// The body of POST /containers/{id}/exec; user and working directory of the container stand in where it gives none.
struct ExecSpec {
    std::vector<std::string> cmd;
    std::vector<std::string> env;  // "NAME=value" over the container's; "NAME" takes one away
    std::string user;
    std::string working_dir;
    std::string detach_keys;  // the bytes; empty: the default ones
    bool attach_stdin = false;
    bool attach_stdout = false;
    bool attach_stderr = false;
    bool tty = false;
    bool privileged = false;
    std::optional<TerminalSize> console_size;
};

constexpr Nanoseconds exec_removable_after = 300 * second;  // an ended exec is kept for those who ask how it ended
constexpr Nanoseconds exec_kept_after = 600 * second;

enum class ExecStatus : unsigned char { created, starting, running, ended };

struct Exec {
    std::string id;
    std::shared_ptr<Container> container;
    std::uint64_t run = 0;  // of the container that it was made for
    ExecSpec spec;

    ExecStatus status = ExecStatus::created;
    int pid = 0;
    int exit_code = 0;          // once ended
    Nanoseconds ended_at = 0;   // of the loop's clock
    reactor::Event ready;       // set when the process runs, or when it never will
    reactor::Event ended;       // set when the keeper has told its end

    // Held while it runs; ExecService::release gives everything back.
    bool keeper = false;      // the keeper has a record of it
    UniqueFd pidfd;
    std::shared_ptr<UniqueFd> stdin_end;  // our write end, or the terminal's master
    std::shared_ptr<Output> output;
    reactor::StopSource output_stop;

    bool live() const { return status != ExecStatus::ended; }
    bool can_remove(Nanoseconds now) const { return !live() && now - ended_at >= exec_removable_after; }
};

}  // namespace engine::runtime
