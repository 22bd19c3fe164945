// The rtnetlink requests we make, each added to a MessageWriter. Pure: no socket, no index is looked up here.
#pragma once

#include <vector>

#include "engine/net/netlink_message.h"
#include "engine/net/stacked_link.h"

namespace engine::net {

// A veth whose one end stays here, up and enslaved, and whose other end is made in another namespace.
struct VethPlan {
    std::string host_name;           // "veth1a2b3c4"
    std::string inside_name;         // "eth0"
    HardwareAddress inside_hardware;
    std::uint32_t mtu = 0;           // 0: the kernel's
    std::uint32_t bridge_index = 0;  // 0: enslaved to nothing
};

// A link on top of a host's interface, made in another namespace.
struct StackedPlan {
    std::string inside_name;
    HardwareAddress hardware;        // of a macvlan link: an ipvlan link has its parent's
    std::uint32_t parent_index = 0;
    StackedLink stacked;
    std::uint32_t mtu = 0;           // 0: the parent's
};

struct RoutePlan {
    Prefix destination;   // invalid: the default route
    Address gateway;      // none or unspecified: on the link
    std::uint32_t metric = 0;
};

void add_bridge(MessageWriter& out, const std::string& name, const HardwareAddress& hardware, std::uint32_t mtu,
                bool filters_vlans = false);
void add_veth(MessageWriter& out, const VethPlan& plan, int netns_fd);
void add_stacked(MessageWriter& out, const StackedPlan& plan, int netns_fd);
const char* host_link_word(HostLinkKind kind);   // the kernel's name of it
// Up at once. `parent_index`: of a VLAN, or a VXLAN's; 0: none. `bridge_index`: of a VXLAN.
void add_host_link(MessageWriter& out, const HostLinkPlan& plan, std::uint32_t parent_index,
                   std::uint32_t bridge_index);
// A bridge's port belongs to this VLAN and no other, without a tag.
void add_port_vlan(MessageWriter& out, std::uint32_t port_index, std::uint16_t vlan);
// Unknown and broadcast frames go to this peer too.
void add_vxlan_peer(MessageWriter& out, std::uint32_t index, const Address& peer);
// The bridge answers who asks for its own address by itself: the port is not asked, behind which another host may have
// the same one.
void add_own_answers(MessageWriter& out, const std::string& name);
// The bridge may send a frame back through the port it came from: a container reaching its own published port.
void add_hairpin(MessageWriter& out, const std::string& name);
void add_link_up(MessageWriter& out, std::uint32_t index);
void add_link_change(MessageWriter& out, std::uint32_t index, const std::string& new_name,
                     const HardwareAddress* hardware);
void add_master(MessageWriter& out, std::uint32_t index, std::uint32_t master);
void add_link_removal(MessageWriter& out, const std::string& name);
void add_address(MessageWriter& out, std::uint32_t index, const Prefix& address);
void remove_address(MessageWriter& out, std::uint32_t index, const Prefix& address);
void add_route(MessageWriter& out, std::uint32_t index, const RoutePlan& route, bool v6);
void remove_default_route(MessageWriter& out, bool v6);
void add_link_query(MessageWriter& out, const std::string& name);
void add_link_dump(MessageWriter& out);
void add_address_dump(MessageWriter& out);
void add_route_dump(MessageWriter& out);

struct LinkFacts {
    std::uint32_t index = 0;
    std::uint32_t master = 0;
    std::uint32_t mtu = 0;
    bool up = false;
    std::string name;
    std::string kind;    // "bridge", "veth", ..., "" for hardware
    bool filters_vlans = false;   // of a bridge
    HardwareAddress hardware;
};
struct AddressFacts {
    std::uint32_t index = 0;
    Prefix address;
};
struct RouteFacts {
    Prefix destination;  // length 0: the default route
    std::uint32_t index = 0;
    std::uint32_t table = 0;
};
std::optional<LinkFacts> link_facts(const Message& message);
std::optional<AddressFacts> address_facts(const Message& message);
std::optional<RouteFacts> route_facts(const Message& message);

}  // namespace engine::net
