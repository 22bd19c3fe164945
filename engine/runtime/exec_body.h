// Bodies of the exec requests, and the note that a running exec leaves for the next engine. Pure.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/runtime/exec.h"

namespace engine::runtime {

Result<ExecSpec> parse_exec_create(std::string_view body);

struct ExecStart {
    bool detach = false;
    bool tty = false;
    std::optional<TerminalSize> console_size;
};
Result<ExecStart> parse_exec_start(std::string_view body);

struct ExecNote {
    std::string container;
    ExecSpec spec;
};
std::string exec_note_text(std::string_view container, const ExecSpec& spec);
Result<ExecNote> parse_exec_note(std::string_view text);

}  // namespace engine::runtime
