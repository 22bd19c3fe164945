#include "engine/net/rules_watch.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>

#include "engine/net/netlink_message.h"

namespace engine::net {
namespace {

constexpr std::uint16_t removals[] = {NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET,
                                      NFT_MSG_DELSETELEM};
// Each of these messages names its table in the same attribute.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
              NFTA_SET_ELEM_LIST_TABLE == 1);

}  // namespace

Result<UniqueFd> open_rules_events(std::uint32_t own) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    if (!fd) return fail_errno(errno, "opening a netlink socket");
    // Our own changes, one with each published port, are not to wake the loop. All messages of one packet have one
    // sender; its number is in the host's order, which the filter's load turns round.
    sock_filter not_ours[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const sock_fprog filter{sizeof not_ours / sizeof not_ours[0], not_ours};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        return fail_errno(errno, "filtering the events of nftables");
    sockaddr_nl self{};
    self.nl_family = AF_NETLINK;
    self.nl_groups = 1u << (NFNLGRP_NFTABLES - 1);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&self), sizeof self) != 0)
        return fail_errno(errno, "listening to the events of nftables");
    return fd;
}

bool tells_removal(std::string_view messages, std::string_view table, std::uint32_t own) {
    MessageReader reader(messages);
    while (const auto message = reader.next()) {
        if (message->type >> 8 != NFNL_SUBSYS_NFTABLES || message->port == own) continue;
        const std::uint16_t what = message->type & 0xff;
        if (std::find(std::begin(removals), std::end(removals), what) == std::end(removals)) continue;
        AttributeReader attributes = attributes_behind<nfgenmsg>(message->payload);
        while (const auto attribute = attributes.next())
            if (attribute->type == NFTA_TABLE_NAME && attribute->text() == table) return true;
    }
    return false;
}

}  // namespace engine::net
