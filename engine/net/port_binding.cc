#include "engine/net/port_binding.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/reactor/try.h"

namespace engine::net {

std::string_view protocol_word(Protocol protocol) {
    switch (protocol) {
        case Protocol::tcp: return "tcp";
        case Protocol::udp: return "udp";
        case Protocol::sctp: return "sctp";
    }
    return "";
}

std::optional<Protocol> parse_protocol(std::string_view word) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        if (word == protocol_word(protocol)) return protocol;
    return std::nullopt;
}

Result<HeldPort> hold_port(const Address& host, Protocol protocol, std::uint16_t port) {
    HeldPort out;
    out.port = port;
    const int type = protocol == Protocol::udp ? SOCK_DGRAM : SOCK_STREAM;
    const int family = host.is_v6() ? AF_INET6 : AF_INET;
    out.socket.reset(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, static_cast<int>(protocol)));
    if (!out.socket && protocol == Protocol::sctp && errno == EPROTONOSUPPORT) return out;
    if (!out.socket) return fail_errno(errno, "making a socket");
    const int on = 1;
    // Connections of an earlier holder that linger in TIME_WAIT do not keep the port; a listening one does.
    if (type == SOCK_STREAM) setsockopt(out.socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (host.is_v6()) setsockopt(out.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // What reaches the socket was not meant for it (a rule is missing): dropped, not answered.
    sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog filter{1, &drop_all};
    setsockopt(out.socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    sockaddr_storage self{};
    socklen_t size = 0;
    if (host.is_v6()) {
        auto& in6 = reinterpret_cast<sockaddr_in6&>(self);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        std::memcpy(&in6.sin6_addr, host.bytes(), sizeof in6.sin6_addr);
        size = sizeof in6;
    } else {
        auto& in = reinterpret_cast<sockaddr_in&>(self);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, host.bytes(), sizeof in.sin_addr);
        size = sizeof in;
    }
    if (::bind(out.socket.get(), reinterpret_cast<sockaddr*>(&self), size) != 0)
        return fail_errno(errno, "binding a host port");
    if (type == SOCK_STREAM && ::listen(out.socket.get(), 1) != 0) return fail_errno(errno, "listening on a host port");
    return out;
}

}  // namespace engine::net
