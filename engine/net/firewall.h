// What our one nftables table says: pure functions from what networks and ports there are to a transaction's bytes.
// Publishing a port is one element of a map; a change of a network replaces the table, in one transaction.
#pragma once

#include <string>
#include <vector>

#include "engine/net/address.h"

namespace engine::net {

// One bridge as the filter sees it.
struct FilteredNetwork {
    std::string bridge;
    std::vector<Prefix> subnets;
    bool internal = false;                // nothing in, nothing out
    bool between_containers = true;       // --icc
    bool masquerade = true;               // --ip-masq
};

enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

struct PublishedPort {
    Address host_address;   // unspecified: every address of the host
    std::uint16_t host_port = 0;
    Protocol protocol = Protocol::tcp;
    Address to;
    std::uint16_t to_port = 0;
    auto operator<=>(const PublishedPort&) const = default;
};

// With --icc=false: what one container may still ask of another.
struct AllowedFlow {
    Address from, to;
    Protocol protocol = Protocol::tcp;
    std::uint16_t port = 0;
    auto operator<=>(const AllowedFlow&) const = default;
};

struct FirewallState {
    std::vector<FilteredNetwork> networks;
    std::vector<PublishedPort> ports;
    std::vector<AllowedFlow> flows;
};

// Each is the bytes of one transaction.
std::string whole_table(const std::string& table, const FirewallState& state);
std::string table_removal(const std::string& table);
std::string ports_change(const std::string& table, const std::vector<PublishedPort>& ports, bool add);
std::string flows_change(const std::string& table, const std::vector<AllowedFlow>& flows, bool add);
// In a container's own namespace: what goes to 127.0.0.11:53 goes to the embedded server's sockets.
std::string resolver_table(std::uint16_t udp_port, std::uint16_t tcp_port);

}  // namespace engine::net
