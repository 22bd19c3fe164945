// How a container comes into its networks and leaves them.
#include <linux/if_link.h>

#include <algorithm>

#include "engine/net/networks.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {

namespace {

constexpr char interface_sysctls[] = "com.docker.network.endpoint.sysctls";
constexpr char interface_name[] = "com.docker.network.endpoint.ifname";

std::string free_inside_name(const Sandbox& sandbox) {
    for (int number = 0;; ++number) {
        const std::string name = "eth" + std::to_string(number);
        const bool used = std::any_of(sandbox.endpoints.begin(), sandbox.endpoints.end(),
                                      [&](const auto& endpoint) { return endpoint->inside_link == name; });
        if (!used) return name;
    }
}

Settings settings_of(const EndpointRequest& request) {
    Settings out;
    const auto at = request.driver_options.find(interface_sysctls);
    if (at == request.driver_options.end()) return out;
    for (std::string_view rest = at->second; !rest.empty();) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view each = rest.substr(0, comma);
        const std::size_t equals = each.find('=');
        if (equals != std::string_view::npos) out.emplace_back(each.substr(0, equals), each.substr(equals + 1));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return out;
}

constexpr std::uint8_t unspecified[16] = {};

// On layer 3 the host's interface routes, and there is no neighbour that could be a gateway.
bool routes_by_link(const Network& network) {
    return network.stacked.kind == Stacking::ipvlan && network.stacked.mode != IPVLAN_MODE_L2;
}

// Which subnet a fixed address belongs to; user-given ones are for networks whose subnets are the user's.
Result<Subnet*> subnet_for(Network& network, const Address& address) {
    bool asked = false;
    for (Subnet& subnet : network.subnets) {
        asked = asked || subnet.asked;
        if (subnet.prefix.contains(address) && subnet.asked) return &subnet;
    }
    if (network.predefined)
        return fail(ErrorKind::invalid,
                    "invalid endpoint settings:\nuser specified IP address is supported on user "
                    "defined networks only");
    if (!asked)
        return fail(ErrorKind::invalid,
                    "invalid endpoint settings:\nuser specified IP address is supported only when "
                    "connecting to networks with user configured subnets");
    return fail(
        ErrorKind::invalid,
        "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address " + address.text());
}

}  // namespace

Result<std::shared_ptr<Endpoint>> Networks::make_endpoint(Network& network, const EndpointRequest& request,
                                                          Sandbox& sandbox) {
    if (!network.has_endpoints())
        return fail(ErrorKind::invalid, "a container cannot have an endpoint on network " + network.spec.name);
    if (network.endpoints.contains(sandbox.container_id))
        return fail(ErrorKind::forbidden,
                    "endpoint with name " + sandbox.container_name + " already exists in network " + network.spec.name);
    if (request.hardware && network.stacked.kind == Stacking::ipvlan)
        return fail(ErrorKind::internal, "ipvlan interfaces do not support custom mac address assignment");
    auto endpoint = std::make_shared<Endpoint>();
    endpoint->id = random_id();
    endpoint->network_id = network.id;
    endpoint->container_id = sandbox.container_id;
    endpoint->container_name = sandbox.container_name;
    if (network.is_bridge()) endpoint->host_link = "veth" + endpoint->id.substr(0, 7);
    const auto named = request.driver_options.find(interface_name);
    endpoint->inside_link = named != request.driver_options.end() ? named->second : free_inside_name(sandbox);
    endpoint->gateway_priority = request.gateway_priority;
    endpoint->links = request.links;
    const auto take = [&](const Address& fixed, bool v6) -> Result<void> {
        Subnet* subnet = nullptr;
        if (fixed.valid()) {
            TRY(subnet, subnet_for(network, fixed));
            TRY_VOID(subnet->pool.reserve(fixed));
            (v6 ? endpoint->v6 : endpoint->v4) = {fixed, subnet->prefix.length};
        } else {
            Address found;
            for (Subnet& each : network.subnets) {
                if (each.prefix.address.is_v6() != v6) continue;
                subnet = &each;
                if (const auto free = each.pool.allocate()) {
                    found = *free;
                    break;
                }
            }
            if (!subnet) return {};
            if (!found.valid())
                return fail(ErrorKind::exhausted, std::string("no available ") + (v6 ? "IPv6" : "IPv4") +
                                                      " addresses on this network's address pools: " +
                                                      network.spec.name + " (" + network.id + ")");
            (v6 ? endpoint->v6 : endpoint->v4) = {found, subnet->prefix.length};
            store_.put_cursor(network.id + subnet->prefix.text(), subnet->pool.cursor());
        }
        if (network.spec.internal || network.parent_dummy) return {};
        Address gateway = subnet->gateway;
        if (routes_by_link(network)) gateway = v6 ? Address::from_bytes(unspecified, true) : Address::v4(0);
        const std::string& fixed_gateway = v6 ? options_.default_gateway_v6 : options_.default_gateway;
        if (network.is_default_bridge() && !fixed_gateway.empty()) gateway = *Address::parse(fixed_gateway);
        (v6 ? endpoint->gateway_v6 : endpoint->gateway) = gateway;
        return {};
    };
    TRY_VOID(take(request.v4, false));
    if (auto taken = take(request.v6, true); !taken) {
        drop_endpoint(endpoint);
        return fail(std::move(taken.error()));
    }
    if (network.stacked.kind != Stacking::ipvlan)
        endpoint->hardware = request.hardware.value_or(
            HardwareAddress::from_address(endpoint->v4.valid() ? endpoint->v4.address : endpoint->v6.address));
    if (!network.predefined) {
        endpoint->dns_names.push_back(sandbox.container_name);
        const auto add = [&](const std::string& name) {
            auto& names = endpoint->dns_names;
            if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        };
        for (const std::string& alias : request.aliases) add(alias);
        add(sandbox.container_id.substr(0, 12));
        add(sandbox.hostname);
    }
    network.endpoints[sandbox.container_id] = endpoint;
    return endpoint;
}

// The addresses go back and the network forgets it; the kernel's part is the caller's.
void Networks::drop_endpoint(const std::shared_ptr<Endpoint>& endpoint) {
    const auto found = networks_.find(endpoint->network_id);
    if (found == networks_.end()) return;
    for (Subnet& subnet : found->second->subnets)
        for (const Prefix* prefix : {&endpoint->v4, &endpoint->v6})
            if (prefix->valid()) subnet.pool.release(prefix->address);
    const auto held = found->second->endpoints.find(endpoint->container_id);
    if (held != found->second->endpoints.end() && held->second == endpoint) found->second->endpoints.erase(held);
}

EndpointPlan Networks::plan_of(const Endpoint& endpoint, const Sandbox& sandbox, const Settings& settings) const {
    const Network& network = *networks_.at(endpoint.network_id);
    EndpointPlan plan;
    plan.veth.host_name = endpoint.host_link;
    plan.veth.inside_name = endpoint.inside_link;
    plan.veth.inside_hardware = endpoint.hardware;
    plan.veth.mtu = network.mtu;
    plan.bridge = network.is_stacked() ? network.parent : network.bridge;
    plan.stacked = network.stacked;
    // The rules that keep neighbours apart know the first bridge only.
    plan.may_widen = network.between_containers;
    for (const Prefix* prefix : {&endpoint.v4, &endpoint.v6})
        if (prefix->valid()) plan.addresses.push_back(*prefix);
    if (sandbox.gateway_endpoint() == &endpoint) {
        plan.gateway = endpoint.gateway;
        plan.gateway_v6 = endpoint.gateway_v6;
    }
    plan.settings = settings;
    return plan;
}

Task<Networks::Joined> Networks::join(JoinRequest request) {
    CO_TRY_VOID(co_await started_.wait(scope_.token()));
    Joined out;
    out.sandbox = std::make_shared<Sandbox>();
    Sandbox& sandbox = *out.sandbox;
    sandbox.id = random_id();
    sandbox.container_id = request.container_id;
    sandbox.container_name = request.container_name;
    sandbox.hostname = request.hostname;
    sandbox.requests = std::move(request.ports);
    sandbox.upstreams = std::move(request.resolver);
    std::vector<Settings> settings;
    Result<void> made;
    for (const EndpointRequest& each : request.endpoints) {
        auto network = find(each.network);
        auto endpoint = network ? make_endpoint(**network, each, sandbox)
                                : Result<std::shared_ptr<Endpoint>>(fail(std::move(network.error())));
        if (!endpoint) {
            made = fail(std::move(endpoint.error()));
            break;
        }
        sandbox.endpoints.push_back(std::move(*endpoint));
        settings.push_back(settings_of(each));
    }
    std::vector<BoundPort> none;
    if (made) made = hold_ports(sandbox, none);
    if (!made) {
        forget_ports(sandbox);  // the kernel has not been told of any
        leave(out.sandbox, false);
        co_return fail(std::move(made.error()));
    }
    AttachPlan plan;
    for (std::size_t i = 0; i < sandbox.endpoints.size(); ++i)
        plan.endpoints.push_back(plan_of(*sandbox.endpoints[i], sandbox, settings[i]));
    plan.resolver = !sandbox.upstreams.empty();
    std::vector<PublishedPort> published;
    for (const BoundPort& port : sandbox.ports) published.push_back(port.published);
    auto attached = co_await worker_.attach(std::move(plan), -1);
    if (!attached) {
        forget_ports(sandbox);
        leave(out.sandbox, false);
        co_return fail(std::move(attached.error()));
    }
    out.netns = std::move(attached->netns);
    if (attached->resolver_udp)
        serve_names(out.sandbox, std::move(attached->resolver_udp), std::move(attached->resolver_tcp));
    auto changed = co_await change_ports(std::move(published), true);
    if (!changed) {
        leave(out.sandbox, false);
        co_return fail(std::move(changed.error()));
    }
    co_return out;
}

void Networks::leave(const std::shared_ptr<Sandbox>& sandbox, bool shared) {
    std::vector<PublishedPort> ports;
    for (const BoundPort& port : sandbox->ports) ports.push_back(port.published);
    sandbox->ports.clear();
    sandbox->resolver.reset();
    if (!ports.empty()) scope_.spawn("unpublish", change_ports(std::move(ports), false));
    for (const auto& endpoint : sandbox->endpoints) {
        // Whoever shares the namespace keeps it alive, and with it a link whose address is given out again.
        if (shared && !endpoint->host_link.empty())
            scope_.spawn("unlink", worker_.remove_link(endpoint->host_link));
        drop_endpoint(endpoint);
    }
    sandbox->endpoints.clear();
}

Task<std::shared_ptr<Endpoint>> Networks::connect(std::shared_ptr<Sandbox> sandbox, EndpointRequest request, int netns,
                                                  std::vector<std::string> resolver) {
    CO_TRY(auto network, find(request.network));
    const Endpoint* gateway_before = sandbox->gateway_endpoint();
    CO_TRY(auto endpoint, make_endpoint(*network, request, *sandbox));
    sandbox->endpoints.push_back(endpoint);
    AttachPlan plan;
    plan.endpoints.push_back(plan_of(*endpoint, *sandbox, settings_of(request)));
    const bool names_wanted = !network->predefined && sandbox->upstreams.empty();
    if (names_wanted) sandbox->upstreams = std::move(resolver);
    plan.resolver = names_wanted && !sandbox->upstreams.empty();
    plan.replace_default = gateway_before != nullptr && sandbox->gateway_endpoint() == endpoint.get();
    auto attached = co_await worker_.attach(std::move(plan), netns);
    if (!attached) {
        if (names_wanted) sandbox->upstreams.clear();
        std::erase(sandbox->endpoints, endpoint);
        drop_endpoint(endpoint);
        co_return fail(std::move(attached.error()));
    }
    if (attached->resolver_udp)
        serve_names(sandbox, std::move(attached->resolver_udp), std::move(attached->resolver_tcp));
    if (sandbox->gateway_endpoint() != gateway_before) {
        auto moved = co_await move_ports(sandbox);
        if (!moved) log_warn("container " + sandbox->container_id + ": " + moved.error().message());
    }
    co_return endpoint;
}

Task<void> Networks::disconnect(std::shared_ptr<Sandbox> sandbox, std::string network_id, int netns) {
    const Endpoint* found = sandbox->on(network_id);
    CHECK(found != nullptr);
    const auto at = std::find_if(sandbox->endpoints.begin(), sandbox->endpoints.end(),
                                 [&](const auto& endpoint) { return endpoint.get() == found; });
    const std::shared_ptr<Endpoint> endpoint = *at;
    const bool was_gateway = sandbox->gateway_endpoint() == found;
    sandbox->endpoints.erase(at);
    DetachPlan plan;
    plan.host_name = endpoint->host_link;
    plan.inside_name = endpoint->inside_link;
    if (const Endpoint* next = sandbox->gateway_endpoint(); was_gateway && next) {
        plan.gateway = next->gateway;
        plan.gateway_v6 = next->gateway_v6;
        plan.gateway_link = next->inside_link;
    }
    auto detached = co_await worker_.detach(std::move(plan), netns);
    if (!detached) log_warn("container " + sandbox->container_id + ": " + detached.error().message());
    drop_endpoint(endpoint);
    if (was_gateway) {
        auto moved = co_await move_ports(sandbox);
        if (!moved) log_warn("container " + sandbox->container_id + ": " + moved.error().message());
    }
    co_return Result<void>{};
}

Result<void> Networks::restore(const std::shared_ptr<Sandbox>& sandbox) {
    Result<void> first;
    for (const auto& endpoint : sandbox->endpoints) {
        const auto network = networks_.find(endpoint->network_id);
        if (network == networks_.end()) continue;
        network->second->endpoints[sandbox->container_id] = endpoint;
        for (Subnet& subnet : network->second->subnets)
            for (const Prefix* prefix : {&endpoint->v4, &endpoint->v6})
                if (prefix->valid() && subnet.prefix.contains(prefix->address))
                    ignore_result(subnet.pool.reserve(prefix->address), "it is this container's");
    }
    for (BoundPort& port : sandbox->ports) {
        ports_.push_back(port.published);
        auto held = hold_port(port.published.host_address, port.published.protocol, port.published.host_port);
        if (held) {
            port.socket = std::move(held->socket);
        } else if (first) {
            first = fail(std::move(held.error())
                             .with_context("published port " + std::to_string(port.published.host_port) +
                                           " could not be held again"));
        }
    }
    return first;
}

}  // namespace engine::net
