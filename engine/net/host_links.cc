// Links that stand on the host's interfaces: those that networks are made on (VLAN, dummy, VXLAN) and the containers
// own (macvlan, ipvlan). And a bridge port's VLAN.
#include <linux/netlink.h>

#include <algorithm>

#include "engine/net/host_network.h"
#include "engine/reactor/try.h"

namespace engine::net {

namespace {

// Its index; nothing is asked for by the name "": 0.
Result<std::uint32_t> index_among(const std::vector<LinkFacts>& links, const std::string& name) {
    if (name.empty()) return 0;
    for (const LinkFacts& link : links)
        if (link.name == name) return link.index;
    return fail(Error(ErrorKind::not_found, "interface " + name + " does not exist", ENODEV));
}

}  // namespace

Result<void> HostNetwork::make_link(const HostLinkPlan& plan) {
    TRY(const Survey now, survey());
    const std::string word = host_link_word(plan.kind);
    const bool vxlan = plan.kind == HostLinkKind::vxlan;
    TRY(const std::uint32_t parent, index_among(now.links, vxlan ? plan.overlay.parent : plan.parent));
    TRY(const std::uint32_t bridge, index_among(now.links, plan.bridge));
    const auto found = std::find_if(now.links.begin(), now.links.end(),
                                    [&](const LinkFacts& link) { return link.name == plan.name; });
    const bool existed = found != now.links.end();
    MessageWriter change;
    if (!existed) {
        add_host_link(change, plan, parent, bridge);
    } else if (found->kind == word) {
        if (bridge > 0 && found->master != bridge) add_master(change, found->index, bridge);
        add_link_up(change, found->index);
    } else {
        return fail(ErrorKind::invalid, "existing interface " + plan.name + " is not of the kind " + word);
    }
    auto made = route_.request(change);
    if (made && vxlan) {
        made = join_overlay(plan);
        if (!made && !existed) ignore_result(remove_link(plan.name), "the first error is the one to tell");
    }
    if (made) return made;
    return fail(std::move(made.error()).with_context("creating the " + word + " interface " + plan.name));
}

// What is there already stays as it is.
Result<void> HostNetwork::join_overlay(const HostLinkPlan& plan) {
    TRY(const std::uint32_t index, index_of(plan.name));
    MessageWriter change;
    add_own_answers(change, plan.name);
    for (const Address& peer : plan.overlay.peers) add_vxlan_peer(change, index, peer);
    return route_.request(change);
}

Result<void> HostNetwork::attach_stacked(const EndpointPlan& plan, int netns, NetlinkSocket& inside,
                                         bool replace_default) {
    StackedPlan link;
    link.inside_name = plan.veth.inside_name;
    link.hardware = plan.veth.inside_hardware;
    link.stacked = plan.stacked;
    link.mtu = plan.veth.mtu;
    TRY(link.parent_index, index_of(plan.bridge));
    MessageWriter outer;
    add_stacked(outer, link, netns);
    const char* kind = plan.stacked.kind == Stacking::macvlan ? "a macvlan" : "an ipvlan";
    if (auto made = route_.request(outer); !made)
        return fail(std::move(made.error())
                        .with_context(std::string("creating ") + kind + " interface on " + plan.bridge));
    auto set = set_up_inside(plan, inside, replace_default);
    if (!set) ignore_result(remove_inside(inside, link.inside_name), "the first error is the one to tell");
    return set;
}

Result<void> HostNetwork::set_port_vlan(const EndpointPlan& plan) {
    TRY(const std::uint32_t port, index_of(plan.veth.host_name));
    MessageWriter change;
    add_port_vlan(change, port, plan.vlan);
    auto set = route_.request(change);
    if (set) return set;
    return fail(std::move(set.error())
                    .with_context("VLAN " + std::to_string(plan.vlan) + " of a port of bridge " + plan.bridge));
}

}  // namespace engine::net
