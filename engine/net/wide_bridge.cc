// A Linux bridge takes 1,023 ports. A network with more goes on by further bridges, each joined to the first by a veth:
// one broadcast domain still, with the host's address on the first.
#include <linux/netlink.h>

#include <algorithm>

#include "engine/net/host_network.h"
#include "engine/net/limits.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

// Interface names have 15 characters: what tells bridges apart is at their ends.
std::string name_of(char letter, const std::string& bridge, unsigned number) {
    constexpr std::size_t tail = limits::interface_name_bytes_max - 4;
    const std::string end = bridge.size() > tail ? bridge.substr(bridge.size() - tail) : bridge;
    return std::string(1, letter) + (number < 10 ? "0" : "") + std::to_string(number) + "-" + end;
}

// Nobody else's: no container has an address of the loopback network.
HardwareAddress hardware_of(unsigned kind, unsigned number) {
    return HardwareAddress::from_address(Address::v4(127u << 24 | kind << 16 | number));
}

std::string join_outer(const std::string& bridge, unsigned number) { return name_of('j', bridge, number); }
std::string join_inner(const std::string& bridge, unsigned number) { return name_of('k', bridge, number); }

}  // namespace

std::string further_bridge(const std::string& bridge, unsigned number) { return name_of('b', bridge, number); }

// A veth on the bridge, or on the first of its further ones with room; one more is made when all are full.
Result<void> HostNetwork::make_veth(const EndpointPlan& plan, int netns, std::uint32_t* failed_at) {
    VethPlan veth = plan.veth;
    TRY(const std::uint32_t main, index_of(plan.bridge));
    unsigned& current = filling_[plan.bridge];
    const unsigned begin = current;
    Result<void> made;
    for (unsigned attempt = 0; attempt <= limits::further_bridges_max + 1; ++attempt) {
        // The one that took the last, then all in order: places become free.
        const unsigned number = attempt == 0 ? begin : attempt - 1;
        if (attempt > 0 && number == begin) continue;
        veth.bridge_index = main;
        if (number > 0) {
            TRY(veth.bridge_index, further_index(plan.bridge, main, number));
        }
        MessageWriter outer;
        add_veth(outer, veth, netns);
        if (plan.hairpin) add_hairpin(outer, veth.host_name);
        made = route_.request(outer, failed_at);
        if (made || made.error().error_number() != EXFULL || !plan.may_widen) {
            if (made) current = number;
            return made;
        }
    }
    return made;
}

Result<std::uint32_t> HostNetwork::further_index(const std::string& bridge, std::uint32_t main, unsigned number) {
    const std::string name = further_bridge(bridge, number);
    auto known = index_of(name);
    if (known || known.error().error_number() != ENODEV) return known;
    auto made = make_further(bridge, main, number);
    if (!made) remove_further(bridge, number);
    return made;
}

// The join needs a port of the first bridge, which is full: one of its containers moves to the new one for it.
Result<std::uint32_t> HostNetwork::make_further(const std::string& bridge, std::uint32_t main, unsigned number) {
    const std::string name = further_bridge(bridge, number);
    TRY(const Survey now, survey());
    const auto first = std::find_if(now.links.begin(), now.links.end(),
                                    [&](const LinkFacts& link) { return link.index == main; });
    const auto moved = std::find_if(now.links.begin(), now.links.end(), [&](const LinkFacts& link) {
        return link.master == main && link.kind == "veth" && link.name.starts_with("veth");
    });
    if (first == now.links.end()) return fail(ErrorKind::not_found, "interface " + bridge + " does not exist");
    MessageWriter create;
    add_bridge(create, name, hardware_of(1, number), first->mtu);
    TRY_VOID(route_.request(create));
    TRY(const std::uint32_t index, index_of(name));
    VethPlan join;
    join.host_name = join_outer(bridge, number);
    join.inside_name = join_inner(bridge, number);
    join.inside_hardware = hardware_of(2, number);
    join.mtu = first->mtu;
    MessageWriter connect;
    add_link_up(connect, index);
    add_veth(connect, join, home_.get());
    TRY_VOID(route_.request(connect));
    TRY(const std::uint32_t inner, index_of(join.inside_name));
    TRY(const std::uint32_t outer, index_of(join.host_name));
    MessageWriter enslave;
    add_master(enslave, inner, index);
    add_link_up(enslave, inner);
    if (moved != now.links.end()) {
        add_master(enslave, moved->index, index);
        add_hairpin(enslave, moved->name);
    }
    add_master(enslave, outer, main);
    TRY_VOID(route_.request(enslave));
    return index;
}

void HostNetwork::remove_further(const std::string& bridge, unsigned number) {
    for (const std::string& name : {join_outer(bridge, number), further_bridge(bridge, number)}) {
        MessageWriter change;
        add_link_removal(change, name);
        ignore_result(route_.request(change), "it need not be there");
    }
}

// With the bridge of a network go those that it was widened by.
void HostNetwork::remove_all_further(const std::string& bridge) {
    filling_.erase(bridge);
    for (unsigned number = 1; number <= limits::further_bridges_max; ++number) {
        if (!index_of(further_bridge(bridge, number))) return;   // they are made in order
        remove_further(bridge, number);
    }
}

}  // namespace engine::net
