#include "engine/net/call_packet.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/net/limits.h"
#include "engine/reactor/try.h"

namespace engine::net {

Result<void> move_to_memfd(CallPacket& packet) {
    if (packet.body.size() <= limits::call_inline_bytes) return {};
    if (packet.body.size() > limits::call_bytes_max)
        return fail(ErrorKind::too_large, "a change of the network is longer than " +
                                              std::to_string(limits::call_bytes_max) + " bytes");
    UniqueFd fd(memfd_create("net-call", MFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "memfd_create");
    std::size_t put = 0;
    while (put < packet.body.size()) {
        const ssize_t wrote = ::pwrite(fd.get(), packet.body.data() + put, packet.body.size() - put,
                                       static_cast<off_t>(put));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail_errno(errno, "writing a memfd");
        put += static_cast<std::size_t>(wrote);
    }
    packet.fds.insert(packet.fds.begin(), std::move(fd));
    packet.body.clear();
    packet.in_memfd = true;
    return {};
}

Result<void> read_from_memfd(CallPacket& packet) {
    struct stat facts {};
    if (packet.fds.empty() || fstat(packet.fds[0].get(), &facts) != 0 ||
        static_cast<std::size_t>(facts.st_size) > limits::call_bytes_max)
        return fail(ErrorKind::internal, "a broken call");
    packet.body.resize(static_cast<std::size_t>(facts.st_size));
    std::size_t got = 0;
    while (got < packet.body.size()) {
        const ssize_t more = ::pread(packet.fds[0].get(), packet.body.data() + got, packet.body.size() - got,
                                     static_cast<off_t>(got));
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) return fail_errno(errno, "reading a memfd");
        got += static_cast<std::size_t>(more);
    }
    packet.fds.erase(packet.fds.begin());
    return {};
}

Result<void> send_packet(int socket, const void* header, std::size_t header_bytes, const CallPacket& packet) {
    iovec parts[2] = {{const_cast<void*>(header), header_bytes},
                      {const_cast<char*>(packet.body.data()), packet.body.size()}};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * packet_fds_max)] = {};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    CHECK(packet.fds.size() <= packet_fds_max);
    if (!packet.fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * packet.fds.size());
        cmsghdr* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * packet.fds.size());
        for (std::size_t i = 0; i < packet.fds.size(); ++i) {
            const int fd = packet.fds[i].get();
            std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return fail_errno(errno, "sending to the net worker");
    return {};
}

Result<CallPacket> receive_packet(int socket, void* header, std::size_t header_bytes) {
    CallPacket out;
    out.body.resize(limits::call_inline_bytes);
    iovec parts[2] = {{header, header_bytes}, {out.body.data(), out.body.size()}};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * packet_fds_max)] = {};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = 0;
    while ((got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0)
        if (errno != EINTR) return fail_errno(errno, "receiving from the net worker");
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
            out.fds.emplace_back(fd);
        }
    }
    if (got == 0) return fail(ErrorKind::unavailable, "the net worker has gone");
    if (static_cast<std::size_t>(got) < header_bytes) return fail(ErrorKind::internal, "a broken packet");
    out.body.resize(static_cast<std::size_t>(got) - header_bytes);
    return out;
}

}  // namespace engine::net
