// Networks whose containers have links on top of one of the host's interfaces: macvlan and ipvlan. The host's network
// is the container's: nothing is translated or filtered, and the gateway is a machine out there.
#include <linux/if_link.h>

#include <algorithm>
#include <charconv>

#include "engine/net/networks.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

tl::unexpected<Error> bad(std::string message) {
    return fail(ErrorKind::invalid, std::move(message));
}

std::string option(const Network& network, const char* name) {
    const auto at = network.spec.options.find(name);
    return at == network.spec.options.end() ? std::string() : at->second;
}

// A word of an option as the kernel's number; the first of `words` is for none.
struct Word {
    std::string_view word;
    std::uint16_t number;
};
template <std::size_t N>
std::optional<std::uint16_t> number_of(const Word (&words)[N], const std::string& word) {
    if (word.empty()) return words[0].number;
    for (const Word& each : words)
        if (each.word == word) return each.number;
    return std::nullopt;
}

constexpr Word macvlan_modes[] = {{"bridge", MACVLAN_MODE_BRIDGE},
                                  {"private", MACVLAN_MODE_PRIVATE},
                                  {"vepa", MACVLAN_MODE_VEPA},
                                  {"passthru", MACVLAN_MODE_PASSTHRU}};
constexpr Word ipvlan_modes[] = {{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
constexpr Word ipvlan_flags[] = {{"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};

Result<StackedLink> stacked_of(const Network& network) {
    if (network.spec.driver == "macvlan") {
        const std::string word = option(network, "macvlan_mode");
        const auto mode = number_of(macvlan_modes, word);
        if (mode) return StackedLink{Stacking::macvlan, *mode, 0};
        return bad("requested macvlan mode '" + word + "' is not valid, 'bridge' mode is the macvlan driver default");
    }
    const std::string word = option(network, "ipvlan_mode");
    const std::string flag = option(network, "ipvlan_flag");
    const auto mode = number_of(ipvlan_modes, word);
    const auto flags = number_of(ipvlan_flags, flag);
    if (!mode) return bad("requested ipvlan mode '" + word + "' is not valid, 'l2' mode is the ipvlan driver default");
    if (!flags) return bad("requested ipvlan flag '" + flag + "' is not valid, 'bridge' is the ipvlan driver default");
    return StackedLink{Stacking::ipvlan, *mode, *flags};
}

std::string dummy_name(const Network& network) {
    return (network.stacked.kind == Stacking::macvlan ? "dm-" : "di-") + network.id.substr(0, 12);
}

// "eth0.10": of the interface eth0 the VLAN 10.
Result<HostLinkPlan> vlan_of(const std::string& name) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos)
        return bad("invalid subinterface vlan name " + name + ", example formatting is eth0.10");
    if (dot != name.rfind('.'))
        return bad("required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received " +
                   name);
    const std::string digits = name.substr(dot + 1);
    long vlan = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), vlan);
    if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
        return bad("unable to parse a valid vlan id from: " + digits + " (ex. eth0.10 for vlan 10)");
    if (vlan < vlan_first || vlan > vlan_last)
        return bad("vlan id must be between 1-4094, received: " + std::to_string(vlan));
    HostLinkPlan out;
    out.kind = HostLinkKind::vlan;
    out.name = name;
    out.parent = name.substr(0, dot);
    out.vlan = static_cast<std::uint16_t>(vlan);
    return out;
}

bool has_link(const Survey& survey, const std::string& name) {
    return std::any_of(survey.links.begin(), survey.links.end(),
                       [&](const LinkFacts& link) { return link.name == name; });
}

}  // namespace

Result<void> Networks::resolve_stacked(Network& network, const Survey& survey) const {
    TRY(network.stacked, stacked_of(network));
    network.parent = option(network, "parent");
    if (network.parent == "lo")
        return bad("loopback interface is not a valid " + network.spec.driver + " parent link");
    network.parent_dummy = network.parent.empty() || network.parent == dummy_name(network);
    if (network.parent_dummy) network.parent = dummy_name(network);
    for (const auto& [id, other] : networks_) {
        if (id == network.id || other->spec.driver != network.spec.driver || other->parent != network.parent) continue;
        const std::string whose = other->spec.name + " is already using parent interface " + network.parent;
        if (network.stacked.kind == Stacking::ipvlan) return fail(ErrorKind::forbidden, "network " + whose);
        if (network.stacked.mode == MACVLAN_MODE_PASSTHRU)
            return fail(ErrorKind::forbidden, "cannot use mode passthru, macvlan network " + whose);
        if (other->stacked.mode == MACVLAN_MODE_PASSTHRU)
            return fail(ErrorKind::forbidden, "macvlan network " + whose + " in mode passthru");
    }
    return resolve_parent(network, survey);
}

// What is not there yet is made for the network, and goes with it: the host's own interfaces stay.
Result<void> Networks::resolve_parent(Network& network, const Survey& survey) const {
    if (has_link(survey, network.parent)) return {};
    if (!network.parent_dummy) {
        TRY(const auto vlan, vlan_of(network.parent));
        if (!has_link(survey, vlan.parent))
            return bad("-o parent interface was not found on the host: " + vlan.parent);
    }
    network.parent_made = true;
    return {};
}

Task<void> Networks::make_links(std::shared_ptr<Network> network) {
    HostLinkPlan plan;
    if (network->is_bridge()) {
        CO_TRY(const bool existed, co_await make_bridge(network));
        if (!network->is_overlay()) co_return Result<void>{};
        plan.kind = HostLinkKind::vxlan;
        plan.name = network->overlay_link();
        plan.bridge = network->bridge;
        plan.overlay = network->overlay;
        plan.mtu = network->mtu;
        auto joined = co_await worker_.make_link(std::move(plan));
        if (!joined && !existed) {
            std::string bridge = network->bridge;
            auto removed = co_await worker_.remove_link(std::move(bridge));
            ignore_result(removed, "the first error is the one to tell");
        }
        co_return joined;
    }
    if (!network->parent_made) co_return Result<void>{};
    plan.name = network->parent;
    if (!network->parent_dummy) {
        CO_TRY(plan, vlan_of(network->parent));
    }
    auto made = co_await worker_.make_link(std::move(plan));
    co_return made;
}

// What goes with the network. A parent that another network stands on is that one's from now on.
std::vector<std::string> Networks::links_of(Network& network) {
    if (network.is_overlay()) return {network.overlay_link(), network.bridge};
    if (network.is_bridge()) return {network.bridge};
    if (!network.parent_made) return {};
    for (const auto& [id, other] : networks_) {
        if (id == network.id || !other->is_stacked() || other->parent != network.parent) continue;
        other->parent_made = true;
        if (auto saved = save(*other); !saved)
            log_error("network " + other->spec.name + ": " + saved.error().message());
        return {};
    }
    return {network.parent};
}

}  // namespace engine::net
