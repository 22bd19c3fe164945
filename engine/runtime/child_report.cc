#include "engine/runtime/child_report.h"

#include <sys/socket.h>

#include <cstring>
#include <span>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"

namespace engine::runtime {

Result<Pipe> make_status(bool terminal) {
    if (!terminal) return make_pipe();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno(errno, "socketpair");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Task<Report> read_report(int status, bool terminal, reactor::StopToken stop) {
    Report report;
    if (!terminal) {
        const auto buffer = std::as_writable_bytes(std::span(&report.record, 1));
        CO_TRY(const std::size_t got, co_await io::read(status, buffer, stop));
        report.done = got != sizeof report.record;
        co_return report;
    }
    iovec part{&report.record, sizeof report.record};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    CO_TRY(const std::size_t got, co_await io::recvmsg(status, &message, MSG_CMSG_CLOEXEC, stop));
    report.done = got != sizeof report.record;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        report.terminal.reset(fd);
    }
    co_return report;
}

}  // namespace engine::runtime
