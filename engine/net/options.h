// What the command line says of networks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::net {

// dockerd's options.
struct Options {
    std::string worker_path;           // the dockercd binary
    std::string table = "dockercd";    // of nftables
    std::string bridge;                // "": docker0; "none": no default bridge
    std::string bip, bip6, fixed_cidr, fixed_cidr_v6, default_gateway, default_gateway_v6;
    std::uint32_t mtu = 0;
    bool icc = true, ip_forward = true, ip_masq = true, iptables = true, ipv6 = false;
    std::string ip;                    // default address of published ports
    std::vector<std::string> dns, dns_search, dns_opt;
    std::string host_gateway_ip;
    std::uint16_t port_first = 0, port_last = 0;   // where ports are picked; 0: the default
    bool disabled() const { return bridge == "none"; }
};
// Contradictions are refused by name, before anything is made.
Result<void> check_options(const Options& options);

}  // namespace engine::net
