#include "engine/net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace engine::net {

SocketAddress socket_address(const Address& address, std::uint16_t port) {
    SocketAddress out;
    if (address.is_v6()) {
        auto& in6 = reinterpret_cast<sockaddr_in6&>(out.storage);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        std::memcpy(&in6.sin6_addr, address.bytes(), address.size());
        out.size = sizeof in6;
    } else {
        auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes(), address.size());
        out.size = sizeof in;
    }
    return out;
}

Address SocketAddress::address() const {
    if (storage.ss_family == AF_INET6)
        return Address::from_bytes(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, true);
    if (storage.ss_family == AF_INET)
        return Address::from_bytes(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr, false);
    return {};
}

}  // namespace engine::net
