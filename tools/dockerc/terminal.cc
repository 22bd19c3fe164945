#include "tools/dockerc/terminal.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>

namespace dockerc {
namespace {

int raw_fd = -1;  // the terminal to restore; the exit handler has no other way to know it
termios saved;

}  // namespace

RawMode::RawMode(int fd) {
    if (::tcgetattr(fd, &saved) != 0) return;
    static const int registered = std::atexit(restore);
    (void)registered;
    raw_fd = fd;
    termios raw = saved;
    ::cfmakeraw(&raw);
    ::tcsetattr(fd, TCSADRAIN, &raw);
}

void RawMode::restore() {
    if (raw_fd >= 0) ::tcsetattr(raw_fd, TCSADRAIN, &saved);
    raw_fd = -1;
}

bool terminal_size(winsize& size) {
    for (const int fd : {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO})
        if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row != 0) return true;
    return false;
}

engine::UniqueFd signal_events(bool proxy, bool raw) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    if (proxy) {
        for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT})
            sigaddset(&set, number);
    } else if (raw) {
        for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) sigaddset(&set, number);
    }
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    return engine::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace dockerc
