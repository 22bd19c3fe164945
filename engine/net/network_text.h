// Networks and sandboxes as JSON text in the database.
#pragma once

#include "engine/net/network.h"
#include "engine/reactor/result.h"

namespace engine::net {

std::string network_text(const Network& network);
Result<std::shared_ptr<Network>> parse_network(const std::string& text);
std::string sandbox_text(const Sandbox& sandbox);
// Ports are without their sockets.
Result<std::shared_ptr<Sandbox>> parse_sandbox(const std::string& text);

}  // namespace engine::net
