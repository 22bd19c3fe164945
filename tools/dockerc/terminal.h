// The user's terminal: raw mode that is always undone, its size, and signals as readable events.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include "engine/reactor/unique_fd.h"

namespace dockerc {

// Raw mode for as long as it lives; also undone when the process exits or dies of a signal.
class RawMode {
public:
    explicit RawMode(int fd);
    ~RawMode() { restore(); }
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    static void restore();
};

bool terminal_size(winsize& size);

// Signals blocked and read from a descriptor. With `proxy` every signal that can be passed on, else SIGWINCH alone
// (and in raw mode the ones that would kill us, so that the terminal is restored first).
engine::UniqueFd signal_events(bool proxy, bool raw);

}  // namespace dockerc
