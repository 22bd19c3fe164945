#include "engine/net/forward_policy.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <fstream>

#include "engine/net/netlink_socket.h"
#include "engine/reactor/unique_fd.h"

namespace engine::net {
namespace {

constexpr const char* legacy_table = "filter";

const char* family_word(std::uint8_t family) {
    switch (family) {
        case NFPROTO_IPV4: return "ip";
        case NFPROTO_IPV6: return "ip6";
        case NFPROTO_INET: return "inet";
        default: return nullptr;
    }
}

// The name of a chain that is hooked to forwarding and drops by policy; "" for any other.
std::string dropping_chain(const Message& message) {
    const auto head = fixed_part<nfgenmsg>(message.payload);
    const char* family = head ? family_word(head->nfgen_family) : nullptr;
    if (!family) return {};
    std::string table, chain;
    bool forward = false;
    bool drops = false;
    auto attributes = attributes_behind<nfgenmsg>(message.payload);
    while (const auto attribute = attributes.next()) {
        if (attribute->type == NFTA_CHAIN_TABLE) table = attribute->text();
        if (attribute->type == NFTA_CHAIN_NAME) chain = attribute->text();
        if (attribute->type == NFTA_CHAIN_POLICY) drops = attribute->as<std::uint32_t>() == htonl(NF_DROP);
        if (attribute->type != NFTA_CHAIN_HOOK) continue;
        AttributeReader hook(attribute->value);
        while (const auto part = hook.next())
            if (part->type == NFTA_HOOK_HOOKNUM) forward = part->as<std::uint32_t>() == htonl(NF_INET_FORWARD);
    }
    return forward && drops ? std::string("nftables ") + family + " " + table + " " + chain : std::string();
}

void add_nftables(std::vector<std::string>& out) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    if (!socket) return;
    MessageWriter dump;
    nfgenmsg any{};
    any.nfgen_family = NFPROTO_UNSPEC;
    dump.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, any);
    dump.end();
    ignore_result(socket->query(dump,
                                [&out](const Message& message) {
                                    if (std::string name = dropping_chain(message); !name.empty())
                                        out.push_back(std::move(name));
                                }),
                  "a kernel without nf_tables has no such chain");
}

// Asking for a table that is not there would load it.
bool has_legacy_table() {
    std::ifstream names("/proc/net/ip_tables_names");
    for (std::string name; std::getline(names, name);)
        if (name == legacy_table) return true;
    return false;
}

// iptables(8) of the time before nf_tables keeps its rules in ip_tables: a policy is the verdict of the last rule of
// its chain.
bool legacy_forward_drops() {
    if (!has_legacy_table()) return false;
    const UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    ipt_getinfo info{};
    std::strcpy(info.name, legacy_table);
    socklen_t size = sizeof info;
    if (!fd || ::getsockopt(fd.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) != 0) return false;
    std::vector<char> memory(sizeof(ipt_get_entries) + info.size);
    ipt_get_entries request{};
    std::strcpy(request.name, legacy_table);
    request.size = info.size;
    std::memcpy(memory.data(), &request, sizeof request);
    size = static_cast<socklen_t>(memory.size());
    if (::getsockopt(fd.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, memory.data(), &size) != 0) return false;
    const std::size_t at = offsetof(ipt_get_entries, entrytable) + info.underflow[NF_INET_FORWARD];
    ipt_entry entry{};
    xt_standard_target target{};
    if (at + sizeof entry > memory.size()) return false;
    std::memcpy(&entry, memory.data() + at, sizeof entry);
    if (at + entry.target_offset + sizeof target > memory.size()) return false;
    std::memcpy(&target, memory.data() + at + entry.target_offset, sizeof target);
    return target.verdict == -NF_DROP - 1;
}

}  // namespace

std::vector<std::string> dropping_forward_chains() {
    std::vector<std::string> out;
    if (legacy_forward_drops()) out.push_back("iptables FORWARD");
    add_nftables(out);
    return out;
}

}  // namespace engine::net
