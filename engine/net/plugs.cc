// Interfaces that a running container is given beside its networks.
#include <linux/if_link.h>

#include <cstdlib>

#include "engine/net/limits.h"
#include "engine/net/networks.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

// A hardware address has to come from somewhere: of the loopback network, which no container has.
Address nowhere(const std::string& id) {
    return Address::v4(127u << 24 | static_cast<std::uint32_t>(std::strtoul(id.substr(0, 6).c_str(), nullptr, 16)));
}

Result<void> check_name(const std::string& name, const char* what) {
    if (!name.empty() && name.size() <= limits::interface_name_bytes_max &&
        name.find_first_of("/ \t:") == std::string::npos)
        return {};
    return fail(ErrorKind::invalid, std::string("invalid name of ") + what + ": '" + name + "'");
}

std::string sub_interface(const PlugRequest& request) {
    return request.parent + "." + std::to_string(*request.vlan);
}

Result<void> check(const PlugRequest& request) {
    if (request.bridge.empty() == request.parent.empty())
        return fail(ErrorKind::invalid, "an interface is on a bridge or on an interface of the host: one of them");
    TRY_VOID(check_name(request.name, "the interface"));
    TRY_VOID(check_name(request.bridge.empty() ? request.parent : request.bridge, "the host's interface"));
    if (request.vlan && (*request.vlan < vlan_first || *request.vlan > vlan_last))
        return fail(ErrorKind::invalid,
                    "vlan id must be between 1-4094, received: " + std::to_string(*request.vlan));
    if (request.vlan && !request.parent.empty()) {
        TRY_VOID(check_name(sub_interface(request), "the VLAN's interface"));
    }
    if (request.gateway.valid() && !(request.address.valid() && request.address.contains(request.gateway)))
        return fail(ErrorKind::invalid, "the gateway " + request.gateway.text() + " is not in the interface's network");
    return {};
}

}  // namespace

// What it stands on, made when it is not there; it stays, as what others may have come to use.
Task<void> Networks::make_plug_base(const PlugRequest& request) {
    if (!request.bridge.empty()) {
        BridgePlan bridge;
        bridge.name = request.bridge;
        bridge.hardware = HardwareAddress::from_address(nowhere(random_id()));
        bridge.filters_vlans = request.vlan.has_value();
        bridge.forward_v4 = bridge.loopback_ports = false;
        CO_TRY(const auto made, co_await worker_.make_bridge(std::move(bridge)));
    } else if (request.vlan) {
        HostLinkPlan link;
        link.kind = HostLinkKind::vlan;
        link.name = sub_interface(request);
        link.parent = request.parent;
        link.vlan = static_cast<std::uint16_t>(*request.vlan);
        CO_TRY_VOID(co_await worker_.make_link(std::move(link)));
    }
    co_return Result<void>{};
}

Task<std::string> Networks::plug(PlugRequest request, int netns) {
    CO_TRY_VOID(check(request));
    const std::string id = random_id();
    EndpointPlan endpoint;
    if (!request.parent.empty()) {
        endpoint.stacked = {Stacking::macvlan, MACVLAN_MODE_BRIDGE, 0};
        endpoint.bridge = request.vlan ? sub_interface(request) : request.parent;
    } else {
        endpoint.bridge = request.bridge;
        endpoint.vlan = static_cast<std::uint16_t>(request.vlan.value_or(0));
    }
    endpoint.may_widen = false;
    if (!endpoint.stacked.any()) endpoint.veth.host_name = "plug" + id.substr(0, 7);
    endpoint.veth.inside_name = request.name;
    const Address own = request.address.valid() ? request.address.address : nowhere(id);
    endpoint.veth.inside_hardware = request.hardware.value_or(HardwareAddress::from_address(own));
    if (request.address.valid()) endpoint.addresses.push_back(request.address);
    endpoint.gateway = request.gateway;
    for (const auto& [destination, gateway] : request.routes) endpoint.routes.push_back({destination, gateway, 0});
    CO_TRY_VOID(co_await make_plug_base(request));
    AttachPlan plan;
    plan.replace_default = request.gateway.valid();
    plan.endpoints.push_back(std::move(endpoint));
    CO_TRY(const auto attached, co_await worker_.attach(std::move(plan), netns));
    co_return std::move(request.name);
}

Task<void> Networks::unplug(std::string name, int netns) {
    CO_TRY_VOID(check_name(name, "the interface"));
    DetachPlan plan;
    plan.inside_name = std::move(name);
    auto detached = co_await worker_.detach(std::move(plan), netns);
    co_return detached;
}

}  // namespace engine::net
