// VXLAN networks: a bridge as any user network's, with one port more that leads to the bridges of the same number on
// other hosts.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/net/limits.h"
#include "engine/net/networks.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr std::uint16_t vxlan_port = 4789;  // IANA's
constexpr std::uint32_t vni_last = (1u << 24) - 1;
constexpr std::uint32_t ethernet_mtu = 1500;
// The frame's own header, VXLAN's, UDP's, and the outer IP header.
constexpr std::uint32_t overhead_v4 = 14 + 8 + 8 + 20, overhead_v6 = 14 + 8 + 8 + 40;

tl::unexpected<Error> invalid(std::string message) {
    return fail(ErrorKind::invalid, std::move(message));
}

std::string option(const Network& network, const char* name) {
    const auto at = network.spec.options.find(name);
    return at == network.spec.options.end() ? std::string() : at->second;
}

Result<std::uint32_t> number_of(const std::string& text, const char* what, std::uint32_t last) {
    std::uint32_t out = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || out == 0 || out > last)
        return invalid(std::string("invalid ") + what + " '" + text + "': a number from 1 to " + std::to_string(last));
    return out;
}

bool is_a_hosts(const Address& address) {
    const bool multicast = address.is_v6() ? address.bytes()[0] == 0xff : (address.bytes()[0] & 0xf0) >= 0xe0;
    return !multicast && !address.is_unspecified() && !address.is_loopback();
}

Result<std::vector<Address>> peers_of(const std::string& text) {
    if (text.empty()) return invalid("a vxlan network needs the addresses of its other hosts: -o peers=ADDR[,ADDR...]");
    std::vector<Address> out;
    for (std::string_view rest = text;;) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const auto address = Address::parse(rest.substr(0, comma));
        if (!address || !is_a_hosts(*address))
            return invalid("invalid peer address '" + std::string(rest.substr(0, comma)) + "'");
        if (!out.empty() && out[0].is_v6() != address->is_v6())
            return invalid("peers are of IPv4 or of IPv6, not of both");
        if (std::find(out.begin(), out.end(), *address) == out.end()) out.push_back(*address);
        if (comma == rest.size()) break;
        rest.remove_prefix(comma + 1);
    }
    if (out.size() > limits::overlay_peers_max)
        return invalid("a vxlan network has at most " + std::to_string(limits::overlay_peers_max) + " peers");
    return out;
}

// Which of the host's addresses packets to the peer would have: no packet is sent.
Address source_towards(const Address& peer) {
    const UniqueFd fd(::socket(peer.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_in);
    auto& in = reinterpret_cast<sockaddr_in&>(storage);
    auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
    storage.ss_family = peer.is_v6() ? AF_INET6 : AF_INET;
    in.sin_port = htons(vxlan_port);  // at the same place in both
    if (peer.is_v6()) {
        size = sizeof in6;
        std::memcpy(&in6.sin6_addr, peer.bytes(), peer.size());
    } else {
        std::memcpy(&in.sin_addr, peer.bytes(), peer.size());
    }
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return {};
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    const void* bytes = peer.is_v6() ? static_cast<const void*>(&in6.sin6_addr) : &in.sin_addr;
    return Address::from_bytes(bytes, peer.is_v6());
}

const LinkFacts* link_named(const Survey& survey, const std::string& name) {
    for (const LinkFacts& link : survey.links)
        if (link.name == name) return &link;
    return nullptr;
}

// The host's end of the tunnel.
Result<void> resolve_local(Network& network, const Survey& survey) {
    Overlay& overlay = network.overlay;
    overlay.parent = option(network, "parent");
    const std::string text = option(network, "local");
    const bool v6 = overlay.peers[0].is_v6();
    const LinkFacts* parent = link_named(survey, overlay.parent);
    if (!overlay.parent.empty() && !parent)
        return invalid("-o parent interface was not found on the host: " + overlay.parent);
    overlay.local = {};
    if (!text.empty()) {
        const auto address = Address::parse(text);
        if (!address || address->is_v6() != v6) return invalid("invalid local address '" + text + "'");
        overlay.local = *address;
    } else if (!parent) {
        overlay.local = source_towards(overlay.peers[0]);
    }
    std::uint32_t underlay = parent ? parent->mtu : ethernet_mtu;
    for (const AddressFacts& facts : survey.addresses) {
        const bool of_parent = parent && facts.index == parent->index && facts.address.address.is_v6() == v6;
        if (of_parent && !overlay.local.valid()) overlay.local = facts.address.address;
        if (facts.address.address != overlay.local) continue;
        for (const LinkFacts& link : survey.links)
            if (link.index == facts.index) underlay = link.mtu;
    }
    if (network.mtu == 0) network.mtu = underlay - (v6 ? overhead_v6 : overhead_v4);
    return {};
}

bool has_address(const Survey& survey, const Address& address) {
    return std::any_of(survey.addresses.begin(), survey.addresses.end(),
                       [&](const AddressFacts& facts) { return facts.address.address == address; });
}

}  // namespace

Result<void> Networks::resolve_overlay(Network& network, const Survey& survey) const {
    Overlay& overlay = network.overlay;
    const std::string vni = option(network, "vni");
    if (vni.empty()) return invalid("a vxlan network needs its number: -o vni=N");
    TRY(overlay.vni, number_of(vni, "vni", vni_last));
    const std::string port = option(network, "port");
    overlay.port = vxlan_port;
    if (!port.empty()) {
        TRY(const std::uint32_t asked, number_of(port, "port", 65535));
        overlay.port = static_cast<std::uint16_t>(asked);
    }
    TRY(overlay.peers, peers_of(option(network, "peers")));
    TRY_VOID(resolve_local(network, survey));
    if (!networks_.contains(network.id)) {  // new: what the host lacks is told, and not made up for later
        for (const Address& peer : overlay.peers)
            if (has_address(survey, peer)) return invalid("the peer " + peer.text() + " is this host itself");
        if (!overlay.local.valid())
            return invalid("no way leads to the peer " + overlay.peers[0].text() +
                           ": name this host's end by -o local=ADDR or -o parent=INTERFACE");
        if (!has_address(survey, overlay.local))
            return invalid("the local address " + overlay.local.text() + " is not one of this host");
        const auto& ipam = network.spec.ipam;
        if (std::none_of(ipam.begin(), ipam.end(), [](const IpamConfig& each) { return !each.subnet.empty(); }))
            return invalid(
                "a vxlan network needs the subnet that its hosts share (--subnet), and of it a part of its own "
                "for each host (--ip-range)");
    }
    for (const auto& [id, other] : networks_)
        if (id != network.id && other->is_overlay() && other->overlay.vni == overlay.vni &&
            other->overlay.port == overlay.port)
            return fail(ErrorKind::forbidden, "vni " + vni + " is used by network " + other->spec.name);
    return {};
}

}  // namespace engine::net
