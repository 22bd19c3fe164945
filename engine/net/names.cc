// What the containers of a network are called, for the embedded name server.
#include <algorithm>

#include "engine/net/networks.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

void add_addresses(const Endpoint& endpoint, std::vector<Address>& out) {
    for (const Prefix* prefix : {&endpoint.v4, &endpoint.v6})
        if (prefix->valid()) out.push_back(prefix->address);
}

}  // namespace

// "db" and "db.backend" of a network called backend. Names are compared as DNS does.
std::optional<std::vector<Address>> Networks::addresses_of(const Sandbox& sandbox, const std::string& name) const {
    std::vector<Address> out;
    for (const auto& endpoint : sandbox.endpoints) {
        const auto found = networks_.find(endpoint->network_id);
        if (found == networks_.end() || found->second->predefined) continue;
        const Network& network = *found->second;
        std::string bare = name;
        const std::string tail = "." + lower(network.spec.name);
        if (bare.ends_with(tail)) bare.resize(bare.size() - tail.size());
        for (const auto& [alias, target] : endpoint->links)
            if (lower(alias) == bare)
                for (const auto& [id, other] : network.endpoints)
                    if (other->container_name == target || id.starts_with(target)) add_addresses(*other, out);
        if (!out.empty()) continue;
        for (const auto& [id, other] : network.endpoints)
            if (std::any_of(other->dns_names.begin(), other->dns_names.end(),
                            [&](const std::string& each) { return lower(each) == bare || lower(each) == name; }))
                add_addresses(*other, out);
    }
    if (out.empty()) return std::nullopt;
    return out;
}

std::optional<std::string> Networks::name_of(const Sandbox& sandbox, const Address& address) const {
    for (const auto& endpoint : sandbox.endpoints) {
        const auto found = networks_.find(endpoint->network_id);
        if (found == networks_.end() || found->second->predefined) continue;
        for (const auto& [id, other] : found->second->endpoints)
            if ((other->v4.address == address || other->v6.address == address) && !other->dns_names.empty())
                return other->dns_names[0] + "." + found->second->spec.name;
    }
    return std::nullopt;
}

// The sandbox owns the handle: what is asked after it has gone has no answer.
void Networks::serve_names(const std::shared_ptr<Sandbox>& sandbox, UniqueFd udp, UniqueFd tcp) {
    const std::weak_ptr<Sandbox> weak = sandbox;
    NameServer::Names names;
    names.addresses = [this, weak](const std::string& name) -> std::optional<std::vector<Address>> {
        const auto alive = weak.lock();
        return alive ? addresses_of(*alive, name) : std::nullopt;
    };
    names.name = [this, weak](const Address& address) -> std::optional<std::string> {
        const auto alive = weak.lock();
        return alive ? name_of(*alive, address) : std::nullopt;
    };
    names.others = [this, weak] {
        const auto alive = weak.lock();
        return alive && std::any_of(alive->endpoints.begin(), alive->endpoints.end(), [this](const auto& endpoint) {
                   const auto found = networks_.find(endpoint->network_id);
                   return found != networks_.end() && found->second->is_overlay();
               });
    };
    names.elsewhere = [this, weak](std::string name, std::uint16_t type) {
        return ask_peers(weak.lock(), std::move(name), type);
    };
    // A container with internal networks only asks nobody outside.
    const std::vector<std::string> upstreams =
        sandbox->gateway_endpoint() ? sandbox->upstreams : std::vector<std::string>();
    sandbox->resolver = names_.serve({std::move(udp), std::move(tcp)}, upstreams, std::move(names));
}

// After a restart of the engine the container's rules point at ports that nobody has: both are made anew.
Task<void> Networks::serve_names_again(std::shared_ptr<Sandbox> sandbox, UniqueFd netns) {
    const int fd = netns.get();
    CO_TRY(auto sockets, co_await worker_.resolver(fd));
    serve_names(sandbox, std::move(sockets.resolver_udp), std::move(sockets.resolver_tcp));
    co_return Result<void>{};
}

}  // namespace engine::net
