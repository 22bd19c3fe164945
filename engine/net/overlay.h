// The VXLAN segment that a network's bridge is joined to, as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/net/address.h"

namespace engine::net {

struct Overlay {
    std::uint32_t vni = 0;
    std::uint16_t port = 0;        // UDP
    std::vector<Address> peers;    // of the other hosts, all of one family
    Address local;                 // of this host; none: as the kernel routes
    std::string parent;            // the host's interface; "": as the kernel routes
};

}  // namespace engine::net
