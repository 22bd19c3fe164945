#include "engine/net/netlink_socket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "engine/net/limits.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr int interrupted_dumps_max = 10;
constexpr int send_buffer_bytes = 32 << 20;   // one nftables batch is one message to the kernel

}  // namespace

Error netlink_error(const Acknowledgement& refusal) {
    std::string message = std::strerror(refusal.error);
    if (!refusal.text.empty()) message += " (" + refusal.text + ")";
    return Error(refusal.error == EPERM ? ErrorKind::forbidden : ErrorKind::kernel, std::move(message), refusal.error);
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, std::uint32_t port) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) return fail_errno(errno, "opening a netlink socket");
    const int on = 1;
    setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof send_buffer_bytes);
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &send_buffer_bytes, sizeof send_buffer_bytes);
    sockaddr_nl self{};
    self.nl_family = AF_NETLINK;
    self.nl_pid = port;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&self), sizeof self) != 0)
        return fail_errno(errno, "binding a netlink socket");
    NetlinkSocket out(std::move(fd));
    out.buffer_.resize(limits::netlink_buffer_bytes);
    return out;
}

Result<void> NetlinkSocket::send(std::string_view bytes) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    while (::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0)
        if (errno != EINTR) return fail_errno(errno, "sending a netlink request");
    return {};
}

Result<std::string_view> NetlinkSocket::receive() {
    while (true) {
        const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
        if (got >= 0) return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
        if (errno != EINTR) return fail_errno(errno, "receiving a netlink answer");
    }
}

Result<void> NetlinkSocket::request(const MessageWriter& messages, std::uint32_t* failed_at) {
    TRY_VOID(send(messages.bytes()));
    std::uint32_t waiting = messages.count();
    Result<void> first;
    while (waiting > 0) {
        TRY(const std::string_view bytes, receive());
        MessageReader reader(bytes);
        while (const auto message = reader.next()) {
            const auto answer = acknowledgement(*message);
            if (!answer) continue;
            --waiting;
            if (answer->error == 0 || !first) continue;
            first = fail(netlink_error(*answer));
            if (failed_at) *failed_at = answer->sequence;
        }
    }
    return first;
}

Result<void> NetlinkSocket::batch(const std::string& bytes) {
    TRY_VOID(send(bytes));
    Result<void> first;
    while (true) {
        const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return first;
        if (got < 0) return fail_errno(errno, "receiving a netlink answer");
        MessageReader reader(std::string_view(buffer_.data(), static_cast<std::size_t>(got)));
        while (const auto message = reader.next()) {
            const auto answer = acknowledgement(*message);
            if (answer && answer->error != 0 && first) first = fail(netlink_error(*answer));
        }
    }
}

Result<void> NetlinkSocket::query(const MessageWriter& message, const std::function<void(const Message&)>& each) {
    for (int attempt = 0; attempt < interrupted_dumps_max; ++attempt) {
        TRY_VOID(send(message.bytes()));
        bool interrupted = false;
        bool done = false;
        while (!done) {
            TRY(const std::string_view bytes, receive());
            MessageReader reader(bytes);
            while (const auto answer = reader.next()) {
                interrupted = interrupted || (answer->flags & NLM_F_DUMP_INTR);
                if (answer->type == NLMSG_DONE) {
                    done = true;
                    continue;
                }
                if (const auto error = acknowledgement(*answer)) {
                    if (error->error != 0) return fail(netlink_error(*error));
                    done = true;
                    continue;
                }
                each(*answer);
                done = done || !(answer->flags & NLM_F_MULTI);
            }
            if (reader.broken()) return fail(ErrorKind::internal, "a broken netlink answer");
        }
        // What was told twice is for `each` to know by its name.
        if (!interrupted) return {};
    }
    return fail(ErrorKind::kernel, "the kernel's list changed with every reading");
}

}  // namespace engine::net
