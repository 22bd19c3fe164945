// dockercd-init: the first process of a container that asked for one (`--init`), bound at /sbin/docker-init. It starts
// the container's command, passes signals on to it, buries every process that is left to it, and ends as its command
// ended. Static, without the C++ library, no memory of its own.
//
//   docker-init [--] COMMAND [ARGUMENT...]
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

extern char** environ;

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;
constexpr int kBySignal = 128;

// All but those that tell of a fault of our own.
void signals_to_wait_for(sigset_t* set) {
    sigfillset(set);
    for (int number : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(set, number);
}

// In a process group of its own, in front of the terminal when there is one; signals as we found them.
int start(char** command, const sigset_t* mask, pid_t* child) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    if (isatty(STDIN_FILENO)) posix_spawn_file_actions_addtcsetpgrp_np(&actions, STDIN_FILENO);
    return posix_spawnp(child, command[0], &actions, &attributes, command, environ);
}

// The exit code once the command has ended, -1 before.
int bury(pid_t child) {
    int code = -1;
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        if (pid != child) continue;
        code = WIFSIGNALED(status) ? kBySignal + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return code;
}

}  // namespace

int main(int count, char** words) {
    int first = 1;
    if (count > 1 && strcmp(words[1], "--") == 0) first = 2;
    if (first >= count) {
        fprintf(stderr, "usage: docker-init [--] COMMAND [ARGUMENT...]\n");
        return kNotFound;
    }
    sigset_t waited;
    sigset_t before;
    signals_to_wait_for(&waited);
    sigprocmask(SIG_SETMASK, &waited, &before);
    pid_t child = -1;
    if (const int error = start(words + first, &before, &child); error != 0) {
        fprintf(stderr, "docker-init: exec %s failed: %s\n", words[first], strerror(error));
        return error == ENOENT ? kNotFound : kNotExecutable;
    }
    while (true) {
        siginfo_t info;
        const int number = sigwaitinfo(&waited, &info);
        if (number < 0) continue;
        if (number != SIGCHLD) {
            kill(child, number);
        } else if (const int code = bury(child); code >= 0) {
            return code;
        }
    }
}
