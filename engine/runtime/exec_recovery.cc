// Execs that ran when the last engine went away: the keeper has held them.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "engine/reactor/log.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/exec_body.h"
#include "engine/runtime/exec_service.h"

namespace engine::runtime {
namespace {

constexpr off_t note_bytes_max = off_t{16} << 20;  // larger than any request's body

Result<ExecNote> read_note(int file) {
    struct stat facts {};
    if (fstat(file, &facts) != 0) return fail_errno(errno, "its note");
    if (facts.st_size > note_bytes_max) return fail(ErrorKind::internal, "its note is too long");
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    if (pread(file, text.data(), text.size(), 0) != facts.st_size) return fail_errno(errno, "reading its note");
    return parse_exec_note(text);
}

}  // namespace

// One that cannot be understood, or whose container is gone, is ended and forgotten.
void ExecService::adopt(KeeperHolding& holding) {
    auto note = read_note(holding.note.get());
    auto container = note ? containers_.find(note->container) : fail(std::move(note.error()));
    if (!container || (*container)->id != note->container) {
        if (holding.running) syscall(SYS_pidfd_send_signal, holding.pidfd.get(), SIGKILL, nullptr, 0);
        if (!holding.running) keeper_.forget(holding.id);
        return;
    }
    auto exec = std::make_shared<Exec>();
    exec->id = holding.id;
    exec->container = *container;
    exec->run = exec->container->run;
    exec->spec = std::move(note->spec);
    exec->status = ExecStatus::running;
    exec->pid = holding.pid;
    exec->keeper = true;
    exec->pidfd = std::move(holding.pidfd);
    exec->ready.set();
    UniqueFd out = std::move(holding.held_stdout);
    if (exec->spec.tty && holding.held_stdin) out.reset(fcntl(holding.held_stdin.get(), F_DUPFD_CLOEXEC, 3));
    if (holding.held_stdin) exec->stdin_end = std::make_shared<UniqueFd>(std::move(holding.held_stdin));
    exec->output = std::make_shared<Output>(nullptr, exec->spec.tty);
    execs_[exec->id] = exec;
    exec->container->exec_ids.push_back(exec->id);
    exec->container->had_execs = true;
    scope_.spawn("exec streams", pump_all(exec, std::move(out), std::move(holding.held_stderr)));
    scope_.spawn("exec", supervise(exec));
    if (!holding.running) keeper_exit(KeeperExit{exec->id, holding.wait_status, holding.exited_at});
    if (holding.running && !exec->container->running()) container_ended(*exec->container);
}

}  // namespace engine::runtime
