// Names of the containers on other hosts of a VXLAN network. The engines know their networks by numbers, not by what
// each calls them: "web" on number 42 at port 4789 is asked for as "web.42.4789.vxlan".
#include <algorithm>
#include <set>

#include "engine/net/networks.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

std::string segment_of(const Overlay& overlay) {
    return "." + std::to_string(overlay.vni) + "." + std::to_string(overlay.port) + ".vxlan";
}

bool has_peer(const Overlay& overlay, const Address& address) {
    return std::find(overlay.peers.begin(), overlay.peers.end(), address) != overlay.peers.end();
}

}  // namespace

// What a container asks for and no container here is called.
Task<PeerNames::Found> Networks::ask_peers(std::shared_ptr<Sandbox> sandbox, std::string name, std::uint16_t type) {
    std::vector<PeerNames::Question> questions;
    if (!sandbox) co_return PeerNames::Found();
    for (const auto& endpoint : sandbox->endpoints) {
        const auto found = networks_.find(endpoint->network_id);
        if (found == networks_.end() || !found->second->is_overlay()) continue;
        const Network& network = *found->second;
        std::string bare = name;
        const std::string tail = "." + lower(network.spec.name);
        if (bare.ends_with(tail)) bare.resize(bare.size() - tail.size());
        const std::string asked = bare + segment_of(network.overlay);
        for (const Address& peer : network.overlay.peers)
            if (asked.size() <= dns::name_bytes_max - 2) questions.push_back({peer, network.overlay.local, asked});
    }
    auto told = co_await peer_names_.ask(std::move(questions), type, scope_.token());
    co_return told;
}

// What a peer asks for: of the networks that it is a peer of, and of no other.
PeerNames::Found Networks::addresses_for_peer(const Address& peer, const std::string& name) const {
    std::vector<Address> out;
    for (const auto& [id, network] : networks_) {
        if (!network->is_overlay() || !has_peer(network->overlay, peer)) continue;
        const std::string tail = segment_of(network->overlay);
        if (!name.ends_with(tail)) continue;
        const std::string bare = name.substr(0, name.size() - tail.size());
        for (const auto& [container, endpoint] : network->endpoints) {
            const bool named = std::any_of(endpoint->dns_names.begin(), endpoint->dns_names.end(),
                                           [&](const std::string& each) { return lower(each) == bare; });
            for (const Prefix* prefix : {&endpoint->v4, &endpoint->v6})
                if (named && prefix->valid()) out.push_back(prefix->address);
        }
    }
    if (out.empty()) return std::nullopt;
    return out;
}

// One socket for each address of the underlay that a network of now has.
void Networks::serve_peers() {
    std::set<Address> wanted;
    for (const auto& [id, network] : networks_)
        if (network->is_overlay() && network->overlay.local.valid()) wanted.insert(network->overlay.local);
    std::erase_if(peer_servers_, [&](const auto& each) { return !wanted.contains(each.first); });
    for (const Address& local : wanted) {
        if (peer_servers_.contains(local)) continue;
        PeerNames::Answers answers;
        answers.is_peer = [this](const Address& from) {
            return std::any_of(networks_.begin(), networks_.end(),
                               [&](const auto& each) { return has_peer(each.second->overlay, from); });
        };
        answers.addresses = [this](const Address& from, const std::string& name) {
            return addresses_for_peer(from, name);
        };
        auto served = peer_names_.serve(local, std::move(answers));
        if (served) {
            peer_servers_[local] = std::move(*served);
        } else {
            log_warn("the names of VXLAN networks are not told to their peers: " + served.error().message());
        }
    }
}

}  // namespace engine::net
