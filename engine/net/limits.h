// Named limits of networking.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engine::net::limits {

inline constexpr std::size_t interface_name_bytes_max = 15;     // IFNAMSIZ without its NUL
inline constexpr unsigned bridge_ports_max = 1023;              // the kernel's (BR_MAX_PORTS), then EXFULL
inline constexpr unsigned further_bridges_max = 15;             // of one network: 16,000 containers
inline constexpr std::size_t network_name_bytes_max = 255;
inline constexpr std::size_t call_bytes_max = std::size_t{16} << 20;      // one request to the worker, or its answer
inline constexpr std::size_t call_inline_bytes = std::size_t{32} << 10;   // longer ones travel in a memfd
inline constexpr std::size_t netlink_buffer_bytes = std::size_t{64} << 10;  // one read of a netlink socket
inline constexpr std::size_t surveyed_prefixes_max = 65536;     // routes of the host that are looked at
inline constexpr std::uint16_t dynamic_port_first = 49153;      // where the kernel's own range cannot be read
inline constexpr std::uint16_t dynamic_port_last = 65535;
inline constexpr std::size_t overlay_peers_max = 256;           // each broadcast is sent to every one of them
inline constexpr std::uint16_t peer_names_port = 7953;          // UDP: where engines ask each other for names
inline constexpr unsigned dns_upstreams_max = 8;

}  // namespace engine::net::limits
