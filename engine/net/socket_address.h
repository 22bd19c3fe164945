// Addresses as the socket calls want them.
#pragma once

#include <sys/socket.h>

#include "engine/net/address.h"

namespace engine::net {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    Address address() const;   // none: of another family
};
SocketAddress socket_address(const Address& address, std::uint16_t port);

}  // namespace engine::net
