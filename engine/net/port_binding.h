// A port of the host that is ours while somebody uses it: a socket bound there, which lets nobody else in and accepts
// nothing itself. Whether a port is free is found out by taking it.
#pragma once

#include "engine/net/firewall.h"
#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::net {

std::string_view protocol_word(Protocol protocol);   // "tcp"
std::optional<Protocol> parse_protocol(std::string_view word);

struct HeldPort {
    UniqueFd socket;    // none where the kernel does not speak the protocol (SCTP): nothing could take the port
    std::uint16_t port = 0;
};

// An error's errno tells: EADDRINUSE, EADDRNOTAVAIL, EACCES ...
Result<HeldPort> hold_port(const Address& host, Protocol protocol, std::uint16_t port);

}  // namespace engine::net
