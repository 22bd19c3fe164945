// Links that stand on the host's interfaces: those that networks are made on (VLAN, dummy) and the containers' own
// (macvlan, ipvlan). And a bridge port's VLAN.
#include <linux/netlink.h>

#include <algorithm>

#include "engine/net/host_network.h"
#include "engine/reactor/try.h"

namespace engine::net {

Result<void> HostNetwork::make_link(const HostLinkPlan& plan) {
    TRY(const Survey now, survey());
    const std::string word = host_link_word(plan.kind);
    const auto named = [&](const std::string& name) {
        return std::find_if(now.links.begin(), now.links.end(),
                            [&](const LinkFacts& link) { return link.name == name; });
    };
    const auto found = named(plan.name);
    MessageWriter change;
    if (found != now.links.end()) {
        if (found->kind != word)
            return fail(ErrorKind::invalid, "existing interface " + plan.name + " is not of the kind " + word);
        add_link_up(change, found->index);
    } else {
        const auto parent = named(plan.parent);
        if (plan.kind == HostLinkKind::vlan && parent == now.links.end())
            return fail(Error(ErrorKind::not_found, "interface " + plan.parent + " does not exist", ENODEV));
        add_host_link(change, plan, parent == now.links.end() ? 0 : parent->index);
    }
    auto made = route_.request(change);
    if (made) return made;
    return fail(std::move(made.error()).with_context("creating the " + word + " interface " + plan.name));
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
