// A network, its endpoints, and a container's share in networks (its sandbox), as plain values.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/net/ipam.h"
#include "engine/net/port_binding.h"
#include "engine/net/stacked_link.h"
#include "engine/reactor/units.h"

namespace engine::net {

std::string random_id();   // 64 hexadecimal digits

using StringMap = std::map<std::string, std::string>;

// As asked, each a text of the user's.
struct IpamConfig {
    std::string subnet, range, gateway;
    StringMap auxiliary;
};

struct NetworkSpec {
    std::string name;
    std::string driver = "bridge";
    StringMap options, labels;
    std::string ipam_driver = "default";
    std::optional<StringMap> ipam_options;   // none: null, as dockerd shows them when they were not given
    std::vector<IpamConfig> ipam;
    bool internal = false;
    bool attachable = false;
    bool ipv4 = true;
    bool ipv6 = false;
};

struct Subnet {
    AddressPool pool;
    Prefix prefix, range;      // range: invalid when not asked for
    Address gateway;           // none: of an internal network without one
    StringMap auxiliary;       // name -> address, never given out
    bool asked = false;        // by the user: fixed addresses may be asked for
};

struct Endpoint {
    std::string id;
    std::string network_id;
    std::string container_id, container_name;
    HardwareAddress hardware;  // none: the host's interface's (ipvlan)
    Prefix v4, v6;             // with the subnet's length; invalid: none
    Address gateway, gateway_v6;          // none: no default route by this one; unspecified: by the link alone
    std::string host_link;     // "veth1a2b3c4"
    std::string inside_link;   // "eth0"
    std::int64_t gateway_priority = 0;
    std::vector<std::string> dns_names;   // the first is what its address is called
    std::vector<std::pair<std::string, std::string>> links;  // alias, container: names that only it knows
};

struct Network {
    std::string id;
    NetworkSpec spec;
    Nanoseconds created_at = 0;
    bool predefined = false;

    // Of a bridge.
    std::string bridge;
    std::vector<Subnet> subnets;
    std::uint32_t mtu = 0;                // 0: the kernel's
    bool between_containers = true;
    bool masquerade = true;
    Address host_binding;                 // where ports are published when nothing is said
    std::map<std::string, std::shared_ptr<Endpoint>> endpoints;   // by container id

    Overlay overlay;                      // of a VXLAN network, which is a bridge's otherwise

    // Of a macvlan or ipvlan network.
    StackedLink stacked;
    std::string parent;                   // the host's interface
    bool parent_made = false;             // for this network, and goes with it
    bool parent_dummy = false;            // there is nothing behind it

    bool is_stacked() const { return spec.driver == "macvlan" || spec.driver == "ipvlan"; }
    bool has_endpoints() const { return is_bridge() || is_stacked(); }
    bool is_bridge() const { return spec.driver == "bridge" || is_overlay(); }
    bool is_overlay() const { return spec.driver == "vxlan"; }
    std::string overlay_link() const { return "vx-" + id.substr(0, 12); }
    bool is_default_bridge() const { return predefined && is_bridge(); }
};

// A published port of a running container.
struct BoundPort {
    PublishedPort published;
    UniqueFd socket;
};

// What is asked of one port: the ranges of `docker run -p`.
struct PortRequest {
    std::uint16_t container_port = 0;
    Protocol protocol = Protocol::tcp;
    Address host_address;                 // none: the network's
    std::uint16_t host_first = 0, host_last = 0;   // 0: any
};

struct EndpointRequest {
    std::string network;                  // name or id
    std::vector<std::string> aliases;
    Address v4, v6;                       // none: the next free one
    std::optional<HardwareAddress> hardware;
    std::int64_t gateway_priority = 0;
    StringMap driver_options;
    std::vector<std::pair<std::string, std::string>> links;  // alias, container's name or id
};

// An interface of a running container on a bridge or an interface of the host, beside its networks: nobody's address is
// kept for it, and it goes with the container.
struct PlugRequest {
    std::string bridge;                   // made when it is not there; or:
    std::string parent;                   // the host's interface, by macvlan
    std::optional<std::int64_t> vlan;     // the port's on the bridge; of a parent: its sub-interface, made when absent
    std::string name;                     // inside; "": the next free one
    Prefix address;                       // none: up, without an address
    Address gateway;                      // none: the default route stays
    std::optional<HardwareAddress> hardware;
    std::vector<std::pair<Prefix, Address>> routes;
};

// All that a running container has of networks. Its owner gives it back by Networks::leave().
struct Sandbox {
    std::string id;
    std::string container_id, container_name, hostname;
    std::vector<std::shared_ptr<Endpoint>> endpoints;   // in the order of their interfaces
    std::vector<PortRequest> requests;
    std::vector<BoundPort> ports;
    std::vector<std::string> upstreams;   // of the embedded name server; empty: there is none
    std::shared_ptr<void> resolver;       // the embedded name server's part, while there is one

    const Endpoint* gateway_endpoint() const;    // the one with the default route; null: none
    Endpoint* on(std::string_view network_id) const;
};

}  // namespace engine::net
