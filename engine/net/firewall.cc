#include "engine/net/firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "engine/net/nft_message.h"

namespace engine::net {
namespace {

// nft's numbers for the types of keys, for its listing; a concatenation has six bits for each.
enum NftType : std::uint32_t { ipv4_type = 7, ipv6_type = 8, protocol_type = 12, port_type = 13, name_type = 41 };
constexpr std::uint32_t joined(std::uint32_t a, std::uint32_t b) {
    return a << 6 | b;
}

constexpr std::uint32_t v4_source = 12, v4_destination = 16, v6_source = 8, v6_destination = 24;
constexpr std::uint32_t port_offset = 2;  // of the destination port in TCP's, UDP's and SCTP's header
constexpr std::uint32_t name_bytes = IFNAMSIZ;

std::string padded(std::string bytes) {
    bytes.resize((bytes.size() + 3) & ~std::size_t{3});
    return bytes;
}
std::string bytes_of(const Address& address) {
    return std::string(reinterpret_cast<const char*>(address.bytes()), address.size());
}
std::string bytes_of(Protocol protocol) {
    return padded(std::string(1, static_cast<char>(protocol)));
}
std::string bytes_of(std::uint16_t port) {
    const std::uint16_t wire = htons(port);
    return padded(std::string(reinterpret_cast<const char*>(&wire), sizeof wire));
}
std::string number(std::uint32_t host_order) {
    return std::string(reinterpret_cast<const char*>(&host_order), sizeof host_order);
}
std::string interface(const std::string& name) {
    std::string out = name;
    out.resize(name_bytes);
    return out;
}
std::string mask_of(const Prefix& prefix) {
    std::string out(prefix.address.size(), '\0');
    for (unsigned bit = 0; bit < prefix.length; ++bit) {
        const auto at = static_cast<std::uint8_t>(out[bit / 8]) | (0x80u >> (bit % 8));
        out[bit / 8] = static_cast<char>(at);
    }
    return out;
}

const char* map_name(bool v6, bool any) {
    if (v6) return any ? "ports6_any" : "ports6";
    return any ? "ports_any" : "ports";
}

std::string key_of(const PublishedPort& port) {
    const std::string tail = bytes_of(port.protocol) + bytes_of(port.host_port);
    return port.host_address.is_unspecified() ? tail : bytes_of(port.host_address) + tail;
}

void put_port(NftBatch& batch, const PublishedPort& port, bool add) {
    const char* map = map_name(port.to.is_v6(), port.host_address.is_unspecified());
    if (!add) return batch.delete_element(map, key_of(port));
    batch.add_element(map, key_of(port), bytes_of(port.to) + bytes_of(port.to_port));
}

std::string key_of(const AllowedFlow& flow) {
    return bytes_of(flow.from) + bytes_of(flow.to) + bytes_of(flow.protocol) + bytes_of(flow.port);
}

void require_family(NftBatch& batch, bool v6) {
    batch.load_meta(NFT_META_NFPROTO, 0);
    batch.equal(0, std::string(1, static_cast<char>(v6 ? NFPROTO_IPV6 : NFPROTO_IPV4)));
}

void add_sets(NftBatch& batch) {
    const std::uint32_t tail = joined(protocol_type, port_type);
    batch.add_set("bridges", name_type, name_bytes);
    batch.add_set(map_name(false, true), tail, 8, joined(ipv4_type, port_type), 8);
    batch.add_set(map_name(false, false), joined(joined(ipv4_type, protocol_type), port_type), 12,
                  joined(ipv4_type, port_type), 8);
    batch.add_set(map_name(true, true), tail, 8, joined(ipv6_type, port_type), 20);
    batch.add_set(map_name(true, false), joined(joined(ipv6_type, protocol_type), port_type), 24,
                  joined(ipv6_type, port_type), 20);
    batch.add_set("flows", joined(joined(joined(ipv4_type, ipv4_type), protocol_type), port_type), 16);
}

// Loads protocol and destination port into two registers from `reg` on.
void load_target(NftBatch& batch, unsigned reg) {
    batch.load_meta(NFT_META_L4PROTO, reg);
    batch.load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, port_offset, 2, reg + 1);
}

void translate_rules(NftBatch& batch, bool v6) {
    const unsigned words = v6 ? 4 : 1;
    batch.begin_rule("published");
    require_family(batch, v6);
    batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? v6_destination : v4_destination, 4 * words, 0);
    load_target(batch, words);
    batch.map(0, map_name(v6, false), 0);
    batch.destination_nat(v6, 0, words);
    batch.end_rule();
    batch.begin_rule("published");
    require_family(batch, v6);
    load_target(batch, 0);
    batch.map(0, map_name(v6, true), 0);
    batch.destination_nat(v6, 0, words);
    batch.end_rule();
}

// Both for what comes in and for what the host itself sends.
void add_translation(NftBatch& batch) {
    batch.add_chain("published");
    translate_rules(batch, false);
    translate_rules(batch, true);
    for (const auto& [chain, hook] :
         {std::pair("prerouting", NF_INET_PRE_ROUTING), std::pair("output", NF_INET_LOCAL_OUT)}) {
        batch.add_base_chain(chain, "nat", hook, NF_IP_PRI_NAT_DST);
        batch.begin_rule(chain);
        batch.load_address_type(false, 0);
        batch.equal(0, number(RTN_LOCAL));
        batch.jump("published");
        batch.end_rule();
    }
}

// The bridges route 127.0.0.0/8 for the sake of ports published there: nobody on them may use that by himself.
void add_loopback_guard(NftBatch& batch) {
    batch.add_base_chain("guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW);
    batch.begin_rule("guard");
    batch.load_meta(NFT_META_IIFNAME, 0);
    batch.in_set(0, "bridges");
    require_family(batch, false);
    batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v4_destination, 1, 0);
    batch.equal(0, "\x7f");
    batch.drop();
    batch.end_rule();
}

void match_source(NftBatch& batch, const Prefix& subnet) {
    const bool v6 = subnet.address.is_v6();
    require_family(batch, v6);
    batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? v6_source : v4_source, subnet.address.size(), 0);
    batch.mask(0, mask_of(subnet));
    batch.equal(0, bytes_of(subnet.first()));
}

void match_out(NftBatch& batch, const std::string& bridge, bool same) {
    batch.load_meta(NFT_META_OIFNAME, 0);
    if (same) return batch.equal(0, interface(bridge));
    batch.not_equal(0, interface(bridge));
}

void match_in(NftBatch& batch, const std::string& bridge, bool same) {
    batch.load_meta(NFT_META_IIFNAME, 0);
    if (same) return batch.equal(0, interface(bridge));
    batch.not_equal(0, interface(bridge));
}

void match_bits(NftBatch& batch, std::uint32_t key, std::uint32_t bits) {
    batch.load_conntrack(key, 0);
    batch.mask(0, number(bits));
    batch.not_equal(0, number(0));
}

void source_rules(NftBatch& batch, const FilteredNetwork& network) {
    for (const Prefix& subnet : network.subnets) {
        if (network.masquerade && !network.internal) {
            batch.begin_rule("postrouting");
            match_source(batch, subnet);
            match_out(batch, network.bridge, false);
            batch.masquerade();
            batch.end_rule();
        }
        // A container that reaches a published port of a neighbour (or of itself) by the host's address: the answer has
        // to come back through the host.
        batch.begin_rule("postrouting");
        match_source(batch, subnet);
        match_out(batch, network.bridge, true);
        match_bits(batch, NFT_CT_STATUS, IPS_DST_NAT);
        batch.masquerade();
        batch.end_rule();
    }
    // The host by 127.0.0.1: no container could answer that address.
    batch.begin_rule("postrouting");
    match_out(batch, network.bridge, true);
    require_family(batch, false);
    batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v4_source, 1, 0);
    batch.equal(0, "\x7f");
    batch.masquerade();
    batch.end_rule();
}

void internal_rules(NftBatch& batch, const FilteredNetwork& network) {
    batch.begin_rule("forward");
    match_in(batch, network.bridge, true);
    match_out(batch, network.bridge, false);
    batch.drop();
    batch.end_rule();
    batch.begin_rule("forward");
    match_out(batch, network.bridge, true);
    match_in(batch, network.bridge, false);
    batch.drop();
    batch.end_rule();
}

void neighbour_rules(NftBatch& batch, const FilteredNetwork& network) {
    if (!network.between_containers) {
        batch.begin_rule("forward");
        match_in(batch, network.bridge, true);
        match_out(batch, network.bridge, true);
        require_family(batch, false);
        batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v4_source, 4, 0);
        batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v4_destination, 4, 1);
        load_target(batch, 2);
        batch.in_set(0, "flows");
        batch.accept();
        batch.end_rule();
    }
    batch.begin_rule("forward");
    match_in(batch, network.bridge, true);
    match_out(batch, network.bridge, true);
    if (network.between_containers) {
        batch.accept();
    } else {
        batch.drop();
    }
    batch.end_rule();
}

void forward_rules(NftBatch& batch, const FirewallState& state) {
    batch.add_base_chain("forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER);
    batch.begin_rule("forward");
    constexpr auto bit = [](unsigned info) { return 1u << (info + 1); };  // NF_CT_STATE_BIT
    match_bits(batch, NFT_CT_STATE, bit(IP_CT_ESTABLISHED) | bit(IP_CT_RELATED));
    batch.accept();
    batch.end_rule();
    batch.begin_rule("forward");
    match_bits(batch, NFT_CT_STATUS, IPS_DST_NAT);
    batch.accept();
    batch.end_rule();
    for (const FilteredNetwork& network : state.networks) {
        if (network.internal) internal_rules(batch, network);
        neighbour_rules(batch, network);
    }
    // From another network, or from outside to a port that is not published.
    batch.begin_rule("forward");
    batch.load_meta(NFT_META_OIFNAME, 0);
    batch.in_set(0, "bridges");
    batch.drop();
    batch.end_rule();
}

}  // namespace

std::string whole_table(const std::string& table, const FirewallState& state) {
    NftBatch batch(table);
    batch.add_table();  // so that there is one to delete
    batch.delete_table();
    batch.add_table();
    add_sets(batch);
    add_translation(batch);
    add_loopback_guard(batch);
    batch.add_base_chain("postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
    for (const FilteredNetwork& network : state.networks) source_rules(batch, network);
    forward_rules(batch, state);
    for (const FilteredNetwork& network : state.networks) batch.add_element("bridges", interface(network.bridge));
    for (const PublishedPort& port : state.ports) put_port(batch, port, true);
    for (const AllowedFlow& flow : state.flows) batch.add_element("flows", key_of(flow));
    return batch.finish();
}

std::string table_removal(const std::string& table) {
    NftBatch batch(table);
    batch.add_table();
    batch.delete_table();
    return batch.finish();
}

std::string ports_change(const std::string& table, const std::vector<PublishedPort>& ports, bool add) {
    NftBatch batch(table);
    for (const PublishedPort& port : ports) put_port(batch, port, add);
    return batch.finish();
}

std::string flows_change(const std::string& table, const std::vector<AllowedFlow>& flows, bool add) {
    NftBatch batch(table);
    for (const AllowedFlow& flow : flows) {
        if (add) {
            batch.add_element("flows", key_of(flow));
        } else {
            batch.delete_element("flows", key_of(flow));
        }
    }
    return batch.finish();
}

std::string resolver_table(std::uint16_t udp_port, std::uint16_t tcp_port) {
    NftBatch batch("dockercd-resolver");
    batch.add_table();
    batch.delete_table();
    batch.add_table();
    batch.add_base_chain("output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
    const std::uint32_t server = (127u << 24) | 11;
    const std::string address = bytes_of(Address::v4(server));
    const std::uint32_t map_key = joined(protocol_type, port_type);
    batch.add_set("servers", map_key, 8, joined(ipv4_type, port_type), 8);
    batch.begin_rule("output");
    require_family(batch, false);
    batch.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v4_destination, 4, 0);
    batch.equal(0, address);
    load_target(batch, 0);
    batch.map(0, "servers", 0);
    batch.destination_nat(false, 0, 1);
    batch.end_rule();
    constexpr std::uint16_t domain = 53;
    batch.add_element("servers", bytes_of(Protocol::udp) + bytes_of(domain), address + bytes_of(udp_port));
    batch.add_element("servers", bytes_of(Protocol::tcp) + bytes_of(domain), address + bytes_of(tcp_port));
    return batch.finish();
}

}  // namespace engine::net
