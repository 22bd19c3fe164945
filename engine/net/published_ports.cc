// Ports of the host that lead to containers: picked, held, told to the kernel.
#include <algorithm>

#include "engine/net/networks.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

std::string with_port(const Address& address, std::uint16_t port) {
    const std::string text = address.is_v6() ? "[" + address.text() + "]" : address.text();
    return text + ":" + std::to_string(port);
}

Error endpoint_error(Error error, const Endpoint& endpoint) {
    return std::move(error)
        .with_context(
            "failed to set up container networking: driver failed programming external connectivity on "
            "endpoint " +
            endpoint.container_name + " (" + endpoint.id + ")")
        .with_kind(ErrorKind::internal);
}

bool same_address(const Address& a, const Address& b) {
    return a.size() == b.size() && (a == b || a.is_unspecified() || b.is_unspecified());
}

bool same_port(const PublishedPort& published, const Address& host, Protocol protocol, std::uint16_t port) {
    return published.host_address == host && published.protocol == protocol && published.host_port == port;
}

// A held port without a socket is possible (SCTP).
std::optional<UniqueFd> take_spare(std::vector<BoundPort>& spare, const Address& host, Protocol protocol,
                                   std::uint16_t port) {
    const auto at = std::find_if(spare.begin(), spare.end(), [&](const BoundPort& each) {
        return same_port(each.published, host, protocol, port);
    });
    if (at == spare.end()) return std::nullopt;
    UniqueFd out = std::move(at->socket);
    spare.erase(at);
    return out;
}

std::vector<PublishedPort> published_of(const Sandbox& sandbox) {
    std::vector<PublishedPort> out;
    for (const BoundPort& port : sandbox.ports) out.push_back(port.published);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

bool Networks::port_taken(const Address& host, Protocol protocol, std::uint16_t port) const {
    return std::any_of(ports_.begin(), ports_.end(), [&](const PublishedPort& other) {
        return other.host_port == port && other.protocol == protocol && same_address(other.host_address, host);
    });
}

// The first of the range that is free. Nothing asked: one of the pool, going round.
Result<BoundPort> Networks::take_port(const Address& host, const PortRequest& request, const Endpoint& to,
                                      std::vector<BoundPort>& spare) {
    const bool any = request.host_first == 0;
    const unsigned first = any ? options_.port_first : request.host_first;
    const unsigned last = any ? options_.port_last : std::max(request.host_first, request.host_last);
    const unsigned count = last - first + 1;
    const unsigned start = any ? next_port_ - first : 0;
    Error refusal(ErrorKind::exhausted, "all ports are allocated");
    for (unsigned step = 0; step < count; ++step) {
        const auto port = static_cast<std::uint16_t>(first + (start + step) % count);
        if (port_taken(host, request.protocol, port)) {
            if (count == 1)
                return fail(ErrorKind::conflict,
                            "Bind for " + with_port(host, port) + " failed: port is already allocated");
            continue;
        }
        auto own = take_spare(spare, host, request.protocol, port);
        auto held = own ? Result<HeldPort>(HeldPort{std::move(*own), port}) : hold_port(host, request.protocol, port);
        if (!held) {
            const int error = held.error().error_number();
            std::string words = error == EADDRINUSE      ? "address already in use"
                                : error == EADDRNOTAVAIL ? "cannot assign requested address"
                                                         : std::string(std::strerror(error));
            refusal = Error(ErrorKind::conflict,
                            "failed to bind host port for " + with_port(host, port) + ":" +
                                with_port(host.is_v6() ? to.v6.address : to.v4.address, request.container_port) + "/" +
                                std::string(protocol_word(request.protocol)) + ": " + words,
                            error);
            if (error != EADDRINUSE) break;
            continue;
        }
        if (any) next_port_ = static_cast<std::uint16_t>(port == last ? first : port + 1u);
        BoundPort out;
        out.socket = std::move(held->socket);
        out.published = {host, port, request.protocol, host.is_v6() ? to.v6.address : to.v4.address,
                         request.container_port};
        return out;
    }
    return fail(std::move(refusal));
}

Result<void> Networks::hold_one(Sandbox& sandbox, const Endpoint& gateway, const PortRequest& request,
                                std::vector<BoundPort>& spare) {
    const Network& network = *networks_.at(gateway.network_id);
    std::vector<Address> hosts;
    if (request.host_address.valid()) {
        hosts.push_back(request.host_address);
    } else {
        if (gateway.v4.valid()) hosts.push_back(network.host_binding);
        if (gateway.v6.valid() && network.host_binding.is_unspecified()) hosts.push_back(*Address::parse("::"));
    }
    PortRequest now = request;
    for (const Address& host : hosts) {
        if (!(host.is_v6() ? gateway.v6 : gateway.v4).valid()) continue;
        auto taken = take_port(host, now, gateway, spare);
        if (!taken) return fail(endpoint_error(std::move(taken.error()), gateway));
        // Both families get the same number.
        now.host_first = now.host_last = taken->published.host_port;
        ports_.push_back(taken->published);
        sandbox.ports.push_back(std::move(*taken));
    }
    return {};
}

Result<void> Networks::hold_ports(Sandbox& sandbox, std::vector<BoundPort>& spare) {
    if (sandbox.requests.empty()) return {};
    const Endpoint* gateway = sandbox.gateway_endpoint();
    // On internal networks only, or on the host's own network: nothing is published, as at dockerd.
    if (!gateway || !networks_.at(gateway->network_id)->is_bridge()) return {};
    if (!options_.iptables)
        return fail(endpoint_error(Error(ErrorKind::invalid,
                                         "ports are published by nftables rules, and this engine was "
                                         "started with --iptables=false"),
                                   *gateway));
    if (!firewall_fault_.empty()) return fail(endpoint_error(Error(ErrorKind::invalid, firewall_fault_), *gateway));
    for (const PortRequest& request : sandbox.requests) {
        TRY_VOID(hold_one(sandbox, *gateway, request, spare));
    }
    return {};
}

void Networks::forget_ports(Sandbox& sandbox) {
    for (const BoundPort& port : sandbox.ports)
        if (const auto at = std::find(ports_.begin(), ports_.end(), port.published); at != ports_.end())
            ports_.erase(at);
    sandbox.ports.clear();
}

// The container's default route leads another way now: its published ports go to that address. A container that has
// none any more keeps its ports, leading nowhere, until it has one again.
Task<void> Networks::move_ports(std::shared_ptr<Sandbox> sandbox) {
    const Endpoint* gateway = sandbox->gateway_endpoint();
    if (!gateway || sandbox->requests.empty()) co_return Result<void>{};
    if (sandbox->ports.empty()) {
        std::vector<BoundPort> none;
        CO_TRY_VOID(hold_ports(*sandbox, none));
        std::vector<PublishedPort> first = published_of(*sandbox);
        auto added = co_await change_ports(std::move(first), true);
        co_return added;
    }
    std::vector<PublishedPort> before, after;
    if (!networks_.at(gateway->network_id)->is_bridge()) co_return Result<void>{};
    for (BoundPort& port : sandbox->ports) {
        const Address to = port.published.to.is_v6() ? gateway->v6.address : gateway->v4.address;
        if (!to.valid() || to == port.published.to) continue;
        before.push_back(port.published);
        port.published.to = to;
        after.push_back(port.published);
    }
    auto removed = co_await change_ports(std::move(before), false);
    if (!removed) log_warn("moving published ports: " + removed.error().message());
    ports_.insert(ports_.end(), after.begin(), after.end());
    auto added = co_await change_ports(std::move(after), true);
    co_return added;
}

// What was picked for a request that is asked again is asked for by number: it stays.
std::vector<PortRequest> Networks::as_before(const Sandbox& sandbox, std::vector<PortRequest> requests) const {
    std::vector<PublishedPort> free = published_of(sandbox);
    for (PortRequest& request : requests) {
        if (request.host_first != 0 && request.host_first == request.host_last) continue;
        const auto at = std::find_if(free.begin(), free.end(), [&](const PublishedPort& port) {
            const bool in_range = request.host_first == 0 || (port.host_port >= request.host_first &&
                                                              port.host_port <= request.host_last);
            return port.to_port == request.container_port && port.protocol == request.protocol && in_range &&
                   (!request.host_address.valid() || request.host_address == port.host_address);
        });
        if (at == free.end()) continue;
        request.host_first = request.host_last = at->host_port;
        free.erase(at);
    }
    return requests;
}

Task<void> Networks::set_ports(std::shared_ptr<Sandbox> sandbox, std::vector<PortRequest> requests) {
    const std::vector<PublishedPort> before = published_of(*sandbox);
    std::vector<PortRequest> by_number = as_before(*sandbox, requests);
    std::vector<BoundPort> spare = std::move(sandbox->ports);
    sandbox->ports.clear();
    for (const PublishedPort& port : before) std::erase(ports_, port);
    std::vector<PortRequest> requests_before = std::exchange(sandbox->requests, std::move(by_number));
    auto held = hold_ports(*sandbox, spare);
    sandbox->requests = held ? std::move(requests) : std::move(requests_before);
    if (!held) {
        give_back(*sandbox, before, spare);
        co_return held;
    }
    const std::vector<PublishedPort> now = published_of(*sandbox);
    std::vector<PublishedPort> gone, come;
    std::set_difference(before.begin(), before.end(), now.begin(), now.end(), std::back_inserter(gone));
    std::set_difference(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(come));
    // Going first: what leads elsewhere now has the same key. The sockets of `spare` keep others off until then.
    CO_TRY_VOID(co_await change_ports(std::move(gone), false));
    auto changed = co_await change_ports(std::move(come), true);
    co_return changed;
}

// As it was: the sockets are among those just taken and those left over.
void Networks::give_back(Sandbox& sandbox, const std::vector<PublishedPort>& before, std::vector<BoundPort>& spare) {
    for (BoundPort& port : sandbox.ports) {
        std::erase(ports_, port.published);
        spare.push_back(std::move(port));
    }
    sandbox.ports.clear();
    for (const PublishedPort& port : before) {
        auto held = take_spare(spare, port.host_address, port.protocol, port.host_port);
        BoundPort& back = sandbox.ports.emplace_back();
        back.published = port;
        if (held) back.socket = std::move(*held);
        ports_.push_back(port);
    }
}

// One element for each. An element that somebody flushed cannot be taken away alone: then the whole table is written.
Task<void> Networks::change_ports(std::vector<PublishedPort> ports, bool add) {
    if (ports.empty()) co_return Result<void>{};
    if (!add)
        for (const PublishedPort& port : ports)
            if (const auto at = std::find(ports_.begin(), ports_.end(), port); at != ports_.end()) ports_.erase(at);
    if (!options_.iptables || !firewall_fault_.empty()) co_return Result<void>{};
    std::string transaction = ports_change(options_.table, ports, add);
    auto changed = co_await worker_.firewall(std::move(transaction));
    if (changed) co_return Result<void>{};
    log_warn("changing published ports: " + changed.error().message() + ": writing all rules again");
    auto applied = co_await apply_table();
    co_return applied;
}

Task<void> Networks::change_flows(std::vector<AllowedFlow> flows, bool add) {
    if (flows.empty() || !options_.iptables || !firewall_fault_.empty()) co_return Result<void>{};
    std::string transaction = flows_change(options_.table, flows, add);
    auto changed = co_await worker_.firewall(std::move(transaction));
    if (changed) co_return Result<void>{};
    auto applied = co_await apply_table();
    co_return applied;
}

Task<void> Networks::set_flows(std::vector<AllowedFlow> flows) {
    std::sort(flows.begin(), flows.end());
    flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
    std::vector<AllowedFlow> added, removed;
    std::set_difference(flows.begin(), flows.end(), flows_.begin(), flows_.end(), std::back_inserter(added));
    std::set_difference(flows_.begin(), flows_.end(), flows.begin(), flows.end(), std::back_inserter(removed));
    flows_ = std::move(flows);   // sorted: the next difference needs it
    CO_TRY_VOID(co_await change_flows(std::move(removed), false));
    auto changed = co_await change_flows(std::move(added), true);
    co_return changed;
}

}  // namespace engine::net
