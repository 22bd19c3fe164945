#include "engine/net/link_messages.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>

namespace engine::net {
namespace {

constexpr std::uint16_t made_new = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

unsigned char family_of(bool v6) { return v6 ? AF_INET6 : AF_INET; }

}  // namespace

void add_bridge(MessageWriter& out, const std::string& name, const HardwareAddress& hardware, std::uint32_t mtu,
                bool filters_vlans) {
    ifinfomsg link{};
    out.begin(RTM_NEWLINK, made_new, link);
    out.text(IFLA_IFNAME, name);
    // Given by us, so that it does not follow the lowest of its ports.
    out.hardware(IFLA_ADDRESS, hardware);
    if (mtu > 0) out.u32(IFLA_MTU, mtu);
    const std::size_t info = out.begin_nest(IFLA_LINKINFO);
    out.text(IFLA_INFO_KIND, "bridge");
    if (filters_vlans) {
        const std::size_t data = out.begin_nest(IFLA_INFO_DATA);
        out.u8(IFLA_BR_VLAN_FILTERING, 1);
        out.end_nest(data);
    }
    out.end_nest(info);
    out.end();
}

void add_veth(MessageWriter& out, const VethPlan& plan, int netns_fd) {
    ifinfomsg link{};
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    out.begin(RTM_NEWLINK, made_new, link);
    out.text(IFLA_IFNAME, plan.host_name);
    if (plan.mtu > 0) out.u32(IFLA_MTU, plan.mtu);
    if (plan.bridge_index > 0) out.u32(IFLA_MASTER, plan.bridge_index);
    const std::size_t info = out.begin_nest(IFLA_LINKINFO);
    out.text(IFLA_INFO_KIND, "veth");
    const std::size_t data = out.begin_nest(IFLA_INFO_DATA);
    const std::size_t peer = out.begin_nest(VETH_INFO_PEER);
    // Not up yet: the kernel opens the peer before it knows the other end (ENOTCONN).
    const ifinfomsg down{};
    out.append(&down, sizeof down);
    out.text(IFLA_IFNAME, plan.inside_name);
    out.hardware(IFLA_ADDRESS, plan.inside_hardware);
    if (plan.mtu > 0) out.u32(IFLA_MTU, plan.mtu);
    out.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns_fd));
    out.end_nest(peer);
    out.end_nest(data);
    out.end_nest(info);
    out.end();
}

void add_stacked(MessageWriter& out, const StackedPlan& plan, int netns_fd) {
    const bool macvlan = plan.stacked.kind == Stacking::macvlan;
    out.begin(RTM_NEWLINK, made_new, ifinfomsg{});
    out.text(IFLA_IFNAME, plan.inside_name);
    if (macvlan) out.hardware(IFLA_ADDRESS, plan.hardware);
    if (plan.mtu > 0) out.u32(IFLA_MTU, plan.mtu);
    out.u32(IFLA_LINK, plan.parent_index);
    out.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns_fd));
    const std::size_t info = out.begin_nest(IFLA_LINKINFO);
    out.text(IFLA_INFO_KIND, macvlan ? "macvlan" : "ipvlan");
    const std::size_t data = out.begin_nest(IFLA_INFO_DATA);
    if (macvlan) {
        out.u32(IFLA_MACVLAN_MODE, plan.stacked.mode);
    } else {
        out.u16(IFLA_IPVLAN_MODE, plan.stacked.mode);
        out.u16(IFLA_IPVLAN_FLAGS, plan.stacked.flags);
    }
    out.end_nest(data);
    out.end_nest(info);
    out.end();
}

const char* host_link_word(HostLinkKind kind) {
    switch (kind) {
        case HostLinkKind::vlan: return "vlan";
        case HostLinkKind::vxlan: return "vxlan";
        case HostLinkKind::dummy: break;
    }
    return "dummy";
}

namespace {

void put_overlay(MessageWriter& out, const Overlay& overlay, std::uint32_t parent_index) {
    out.u32(IFLA_VXLAN_ID, overlay.vni);
    if (overlay.local.valid()) out.address(overlay.local.is_v6() ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, overlay.local);
    if (parent_index > 0) out.u32(IFLA_VXLAN_LINK, parent_index);
    out.be16(IFLA_VXLAN_PORT, overlay.port);
    out.u8(IFLA_VXLAN_LEARNING, 1);
}

}  // namespace

void add_host_link(MessageWriter& out, const HostLinkPlan& plan, std::uint32_t parent_index,
                   std::uint32_t bridge_index) {
    ifinfomsg link{};
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    out.begin(RTM_NEWLINK, made_new, link);
    out.text(IFLA_IFNAME, plan.name);
    if (plan.mtu > 0) out.u32(IFLA_MTU, plan.mtu);
    if (bridge_index > 0) out.u32(IFLA_MASTER, bridge_index);
    if (plan.kind == HostLinkKind::vlan) out.u32(IFLA_LINK, parent_index);
    const std::size_t info = out.begin_nest(IFLA_LINKINFO);
    out.text(IFLA_INFO_KIND, host_link_word(plan.kind));
    const std::size_t data = out.begin_nest(IFLA_INFO_DATA);
    if (plan.kind == HostLinkKind::vlan) out.u16(IFLA_VLAN_ID, plan.vlan);
    if (plan.kind == HostLinkKind::vxlan) put_overlay(out, plan.overlay, parent_index);
    out.end_nest(data);
    out.end_nest(info);
    out.end();
}

void add_vxlan_peer(MessageWriter& out, std::uint32_t index, const Address& peer) {
    ndmsg fixed{};
    fixed.ndm_family = AF_BRIDGE;
    fixed.ndm_ifindex = static_cast<int>(index);
    fixed.ndm_state = NUD_NOARP | NUD_PERMANENT;
    fixed.ndm_flags = NTF_SELF;
    out.begin(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, fixed);
    out.hardware(NDA_LLADDR, HardwareAddress());
    out.address(NDA_DST, peer);
    out.end();
}

namespace {

void put_port_vlans(MessageWriter& out, std::uint16_t type, std::uint32_t port_index, std::uint16_t flags,
                    std::uint16_t first, std::uint16_t last) {
    ifinfomsg link{};
    link.ifi_family = AF_BRIDGE;
    link.ifi_index = static_cast<int>(port_index);
    out.begin(type, NLM_F_ACK, link);
    const std::size_t spec = out.begin_nest(IFLA_AF_SPEC);
    const auto range = [&](std::uint16_t bound, std::uint16_t vlan) {
        const bridge_vlan_info info{static_cast<std::uint16_t>(flags | bound), vlan};
        out.attribute(IFLA_BRIDGE_VLAN_INFO, &info, sizeof info);
    };
    if (first == last) {
        range(0, first);
    } else {
        range(BRIDGE_VLAN_INFO_RANGE_BEGIN, first);
        range(BRIDGE_VLAN_INFO_RANGE_END, last);
    }
    out.end_nest(spec);
    out.end();
}

}  // namespace

void add_port_vlan(MessageWriter& out, std::uint32_t port_index, std::uint16_t vlan) {
    // Whichever the bridge gave it (vlan_default_pvid) goes first.
    put_port_vlans(out, RTM_DELLINK, port_index, 0, vlan_first, vlan_last);
    put_port_vlans(out, RTM_SETLINK, port_index, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, vlan, vlan);
}

namespace {

void put_port_flag(MessageWriter& out, const std::string& name, std::uint16_t flag) {
    ifinfomsg link{};
    out.begin(RTM_NEWLINK, NLM_F_ACK, link);
    out.text(IFLA_IFNAME, name);
    const std::size_t info = out.begin_nest(IFLA_LINKINFO);
    out.text(IFLA_INFO_SLAVE_KIND, "bridge");
    const std::size_t data = out.begin_nest(IFLA_INFO_SLAVE_DATA);
    out.u8(flag, 1);
    out.end_nest(data);
    out.end_nest(info);
    out.end();
}

}  // namespace

void add_hairpin(MessageWriter& out, const std::string& name) { put_port_flag(out, name, IFLA_BRPORT_MODE); }
void add_own_answers(MessageWriter& out, const std::string& name) {
    put_port_flag(out, name, IFLA_BRPORT_NEIGH_SUPPRESS);
}

void add_link_up(MessageWriter& out, std::uint32_t index) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(index);
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    out.begin(RTM_NEWLINK, NLM_F_ACK, link);
    out.end();
}

void add_link_change(MessageWriter& out, std::uint32_t index, const std::string& new_name,
                     const HardwareAddress* hardware) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(index);
    out.begin(RTM_NEWLINK, NLM_F_ACK, link);
    if (!new_name.empty()) out.text(IFLA_IFNAME, new_name);
    if (hardware) out.hardware(IFLA_ADDRESS, *hardware);
    out.end();
}

void add_master(MessageWriter& out, std::uint32_t index, std::uint32_t master) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(index);
    out.begin(RTM_NEWLINK, NLM_F_ACK, link);
    out.u32(IFLA_MASTER, master);
    out.end();
}

void add_link_removal(MessageWriter& out, const std::string& name) {
    out.begin(RTM_DELLINK, NLM_F_ACK, ifinfomsg{});
    out.text(IFLA_IFNAME, name);
    out.end();
}

namespace {

void put_address(MessageWriter& out, std::uint16_t type, std::uint16_t flags, std::uint32_t index,
                 const Prefix& address) {
    ifaddrmsg fixed{};
    const bool v6 = address.address.is_v6();
    fixed.ifa_family = family_of(v6);
    fixed.ifa_prefixlen = static_cast<unsigned char>(address.length);
    fixed.ifa_index = index;
    // An address that we gave out is nobody else's: no duplicate detection, usable at once.
    if (v6) fixed.ifa_flags = IFA_F_NODAD;
    out.begin(type, flags, fixed);
    out.address(IFA_LOCAL, address.address);
    out.address(IFA_ADDRESS, address.address);
    if (!v6 && address.length < 31) out.address(IFA_BROADCAST, address.last());
    out.end();
}

}  // namespace

void add_address(MessageWriter& out, std::uint32_t index, const Prefix& address) {
    put_address(out, RTM_NEWADDR, made_new, index, address);
}

void remove_address(MessageWriter& out, std::uint32_t index, const Prefix& address) {
    put_address(out, RTM_DELADDR, NLM_F_ACK, index, address);
}

void add_route(MessageWriter& out, std::uint32_t index, const RoutePlan& route, bool v6) {
    rtmsg fixed{};
    fixed.rtm_family = family_of(v6);
    fixed.rtm_table = RT_TABLE_MAIN;
    fixed.rtm_protocol = RTPROT_BOOT;
    const bool by_gateway = route.gateway.valid() && !route.gateway.is_unspecified();
    fixed.rtm_scope = by_gateway || v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    fixed.rtm_type = RTN_UNICAST;
    fixed.rtm_dst_len = static_cast<unsigned char>(route.destination.valid() ? route.destination.length : 0);
    out.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, fixed);
    if (route.destination.valid()) out.address(RTA_DST, route.destination.first());
    if (by_gateway) out.address(RTA_GATEWAY, route.gateway);
    if (index > 0) out.u32(RTA_OIF, index);
    if (route.metric > 0) out.u32(RTA_PRIORITY, route.metric);
    out.end();
}

void remove_default_route(MessageWriter& out, bool v6) {
    rtmsg fixed{};
    fixed.rtm_family = family_of(v6);
    fixed.rtm_table = RT_TABLE_MAIN;
    fixed.rtm_scope = RT_SCOPE_NOWHERE;
    out.begin(RTM_DELROUTE, NLM_F_ACK, fixed);
    out.end();
}

void add_link_query(MessageWriter& out, const std::string& name) {
    out.begin(RTM_GETLINK, 0, ifinfomsg{});
    out.text(IFLA_IFNAME, name);
    out.end();
}

void add_link_dump(MessageWriter& out) {
    out.begin(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
    out.end();
}

void add_address_dump(MessageWriter& out) {
    out.begin(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
    out.end();
}

void add_route_dump(MessageWriter& out) {
    out.begin(RTM_GETROUTE, NLM_F_DUMP, rtmsg{});
    out.end();
}

namespace {

bool filters_vlans(std::string_view bridge_data) {
    AttributeReader data(bridge_data);
    while (const auto each = data.next())
        if (each->type == IFLA_BR_VLAN_FILTERING) return each->as<std::uint8_t>().value_or(0) != 0;
    return false;
}

}  // namespace

std::optional<LinkFacts> link_facts(const Message& message) {
    const auto fixed = fixed_part<ifinfomsg>(message.payload);
    if (message.type != RTM_NEWLINK || !fixed) return std::nullopt;
    LinkFacts out;
    out.index = static_cast<std::uint32_t>(fixed->ifi_index);
    out.up = (fixed->ifi_flags & IFF_UP) != 0;
    auto attributes = attributes_behind<ifinfomsg>(message.payload);
    while (const auto attribute = attributes.next()) {
        if (attribute->type == IFLA_IFNAME) out.name = std::string(attribute->text());
        if (attribute->type == IFLA_MASTER) out.master = attribute->as<std::uint32_t>().value_or(0);
        if (attribute->type == IFLA_MTU) out.mtu = attribute->as<std::uint32_t>().value_or(0);
        if (attribute->type == IFLA_ADDRESS && attribute->value.size() == out.hardware.bytes.size())
            std::memcpy(out.hardware.bytes.data(), attribute->value.data(), out.hardware.bytes.size());
        if (attribute->type != IFLA_LINKINFO) continue;
        AttributeReader info(attribute->value);
        while (const auto inner = info.next()) {
            if (inner->type == IFLA_INFO_KIND) out.kind = std::string(inner->text());
            if (inner->type == IFLA_INFO_DATA && out.kind == "bridge") out.filters_vlans = filters_vlans(inner->value);
        }
    }
    return out;
}

namespace {

std::optional<Address> address_of(const Attribute& attribute, unsigned char family) {
    const bool v6 = family == AF_INET6;
    if (family != AF_INET && !v6) return std::nullopt;
    if (attribute.value.size() < (v6 ? 16u : 4u)) return std::nullopt;
    return Address::from_bytes(attribute.value.data(), v6);
}

}  // namespace

std::optional<AddressFacts> address_facts(const Message& message) {
    const auto fixed = fixed_part<ifaddrmsg>(message.payload);
    if (message.type != RTM_NEWADDR || !fixed) return std::nullopt;
    AddressFacts out;
    out.index = fixed->ifa_index;
    auto attributes = attributes_behind<ifaddrmsg>(message.payload);
    while (const auto attribute = attributes.next()) {
        // Of a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL, where there is one, is ours.
        const bool local = attribute->type == IFA_LOCAL;
        if (!local && (attribute->type != IFA_ADDRESS || out.address.valid())) continue;
        if (const auto address = address_of(*attribute, fixed->ifa_family)) out.address.address = *address;
    }
    out.address.length = std::min<unsigned>(fixed->ifa_prefixlen, out.address.address.bits());
    if (!out.address.valid()) return std::nullopt;
    return out;
}

std::optional<RouteFacts> route_facts(const Message& message) {
    const auto fixed = fixed_part<rtmsg>(message.payload);
    if (message.type != RTM_NEWROUTE || !fixed) return std::nullopt;
    RouteFacts out;
    out.table = fixed->rtm_table;
    auto attributes = attributes_behind<rtmsg>(message.payload);
    while (const auto attribute = attributes.next()) {
        if (attribute->type == RTA_TABLE) out.table = attribute->as<std::uint32_t>().value_or(out.table);
        if (attribute->type == RTA_OIF) out.index = attribute->as<std::uint32_t>().value_or(0);
        if (attribute->type != RTA_DST) continue;
        if (const auto address = address_of(*attribute, fixed->rtm_family)) out.destination.address = *address;
    }
    out.destination.length = std::min<unsigned>(fixed->rtm_dst_len, out.destination.address.bits());
    return out;
}

}  // namespace engine::net
