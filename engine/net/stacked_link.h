// Links on top of the host's interfaces, and those that are made for networks to stand on, as plain values.
#pragma once

#include <cstdint>
#include <string>

#include "engine/net/overlay.h"

namespace engine::net {

// A container's link on top of one of the host's interfaces, made in the container's namespace.
enum class Stacking : std::uint8_t { none, macvlan, ipvlan };
struct StackedLink {
    Stacking kind = Stacking::none;
    std::uint16_t mode = 0;    // MACVLAN_MODE_... or IPVLAN_MODE_...
    std::uint16_t flags = 0;   // IPVLAN_F_...
    bool any() const { return kind != Stacking::none; }
};

// A link of the host's that a network or a plug stands on, where it is not there already.
enum class HostLinkKind : std::uint8_t { vlan, dummy, vxlan };
struct HostLinkPlan {
    HostLinkKind kind = HostLinkKind::dummy;
    std::string name;
    std::string parent;        // of a VLAN
    std::uint16_t vlan = 0;
    Overlay overlay;           // of a VXLAN: a port of `bridge`
    std::string bridge;
    std::uint32_t mtu = 0;     // 0: the kernel's
};

inline constexpr long vlan_first = 1, vlan_last = 4094;   // 802.1Q: 0 and 4095 are no VLANs

}  // namespace engine::net
