#include "engine/net/nft_message.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

namespace engine::net {
namespace {

std::uint32_t register_number(unsigned reg) { return NFT_REG32_00 + reg; }

nfgenmsg fixed_of(std::uint8_t family, std::uint16_t resource) {
    nfgenmsg out{};
    out.nfgen_family = family;
    out.version = NFNETLINK_V0;
    out.res_id = htons(resource);
    return out;
}

}  // namespace

void NftBatch::begin() {
    out_.begin(NFNL_MSG_BATCH_BEGIN, 0, fixed_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    out_.end();
}

std::string NftBatch::finish() {
    out_.begin(NFNL_MSG_BATCH_END, 0, fixed_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    out_.end();
    return out_.take();
}

void NftBatch::begin_message(std::uint16_t type, std::uint16_t flags) {
    out_.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, fixed_of(NFPROTO_INET, 0));
}

void NftBatch::add_table() {
    begin_message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
    out_.text(NFTA_TABLE_NAME, table_);
    out_.be32(NFTA_TABLE_FLAGS, 0);
    out_.end();
}

void NftBatch::delete_table() {
    begin_message(NFT_MSG_DELTABLE, 0);
    out_.text(NFTA_TABLE_NAME, table_);
    out_.end();
}

void NftBatch::add_chain(std::string_view name) {
    begin_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    out_.text(NFTA_CHAIN_TABLE, table_);
    out_.text(NFTA_CHAIN_NAME, name);
    out_.end();
}

void NftBatch::add_base_chain(std::string_view name, std::string_view type, std::uint32_t hook,
                              std::int32_t priority) {
    begin_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    out_.text(NFTA_CHAIN_TABLE, table_);
    out_.text(NFTA_CHAIN_NAME, name);
    const std::size_t nest = out_.begin_nest(NFTA_CHAIN_HOOK);
    out_.be32(NFTA_HOOK_HOOKNUM, hook);
    out_.be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(priority));
    out_.end_nest(nest);
    out_.be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    out_.text(NFTA_CHAIN_TYPE, type);
    out_.end();
}

void NftBatch::add_set(std::string_view name, std::uint32_t key_type, std::uint32_t key_bytes, std::uint32_t data_type,
                       std::uint32_t data_bytes) {
    begin_message(NFT_MSG_NEWSET, NLM_F_CREATE);
    out_.text(NFTA_SET_TABLE, table_);
    out_.text(NFTA_SET_NAME, name);
    out_.be32(NFTA_SET_FLAGS, data_bytes > 0 ? NFT_SET_MAP : 0);
    out_.be32(NFTA_SET_KEY_TYPE, key_type);
    out_.be32(NFTA_SET_KEY_LEN, key_bytes);
    if (data_bytes > 0) {
        out_.be32(NFTA_SET_DATA_TYPE, data_type);
        out_.be32(NFTA_SET_DATA_LEN, data_bytes);
    }
    // A name for this set inside the transaction; nobody refers to it by number.
    out_.be32(NFTA_SET_ID, out_.count());
    out_.end();
}

void NftBatch::data(std::uint16_t type, std::string_view value) {
    const std::size_t nest = out_.begin_nest(type);
    out_.attribute(NFTA_DATA_VALUE, value.data(), value.size());
    out_.end_nest(nest);
}

void NftBatch::element_message(std::uint16_t type, std::uint16_t flags, std::string_view set, std::string_view key,
                               std::string_view value) {
    begin_message(type, flags);
    out_.text(NFTA_SET_ELEM_LIST_TABLE, table_);
    out_.text(NFTA_SET_ELEM_LIST_SET, set);
    const std::size_t list = out_.begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    const std::size_t element = out_.begin_nest(NFTA_LIST_ELEM);
    data(NFTA_SET_ELEM_KEY, key);
    if (!value.empty()) data(NFTA_SET_ELEM_DATA, value);
    out_.end_nest(element);
    out_.end_nest(list);
    out_.end();
}

void NftBatch::add_element(std::string_view set, std::string_view key, std::string_view value) {
    element_message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, key, value);
}

void NftBatch::delete_element(std::string_view set, std::string_view key) {
    element_message(NFT_MSG_DELSETELEM, 0, set, key, {});
}

void NftBatch::begin_rule(std::string_view chain) {
    begin_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    out_.text(NFTA_RULE_TABLE, table_);
    out_.text(NFTA_RULE_CHAIN, chain);
    expressions_ = out_.begin_nest(NFTA_RULE_EXPRESSIONS);
}

void NftBatch::end_rule() {
    out_.end_nest(expressions_);
    out_.end();
}

std::size_t NftBatch::begin_expression(std::string_view name) {
    const std::size_t element = out_.begin_nest(NFTA_LIST_ELEM);
    out_.text(NFTA_EXPR_NAME, name);
    data_ = out_.begin_nest(NFTA_EXPR_DATA);
    return element;
}

void NftBatch::end_expression(std::size_t at) {
    out_.end_nest(data_);
    out_.end_nest(at);
}

void NftBatch::load_meta(std::uint32_t key, unsigned reg) {
    const std::size_t at = begin_expression("meta");
    out_.be32(NFTA_META_KEY, key);
    out_.be32(NFTA_META_DREG, register_number(reg));
    end_expression(at);
}

void NftBatch::load_conntrack(std::uint32_t key, unsigned reg) {
    const std::size_t at = begin_expression("ct");
    out_.be32(NFTA_CT_KEY, key);
    out_.be32(NFTA_CT_DREG, register_number(reg));
    end_expression(at);
}

void NftBatch::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t bytes, unsigned reg) {
    const std::size_t at = begin_expression("payload");
    out_.be32(NFTA_PAYLOAD_DREG, register_number(reg));
    out_.be32(NFTA_PAYLOAD_BASE, base);
    out_.be32(NFTA_PAYLOAD_OFFSET, offset);
    out_.be32(NFTA_PAYLOAD_LEN, bytes);
    end_expression(at);
}

void NftBatch::load_address_type(bool of_source, unsigned reg) {
    const std::size_t at = begin_expression("fib");
    out_.be32(NFTA_FIB_DREG, register_number(reg));
    out_.be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    out_.be32(NFTA_FIB_FLAGS, of_source ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
    end_expression(at);
}

void NftBatch::mask(unsigned reg, std::string_view mask) {
    const std::size_t at = begin_expression("bitwise");
    out_.be32(NFTA_BITWISE_SREG, register_number(reg));
    out_.be32(NFTA_BITWISE_DREG, register_number(reg));
    out_.be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    // The nests inside an expression's data: begin_expression() keeps one offset only, these are closed at once.
    data(NFTA_BITWISE_MASK, mask);
    data(NFTA_BITWISE_XOR, std::string(mask.size(), '\0'));
    end_expression(at);
}

void NftBatch::compare(unsigned reg, bool different, std::string_view value) {
    const std::size_t at = begin_expression("cmp");
    out_.be32(NFTA_CMP_SREG, register_number(reg));
    out_.be32(NFTA_CMP_OP, different ? NFT_CMP_NEQ : NFT_CMP_EQ);
    data(NFTA_CMP_DATA, value);
    end_expression(at);
}

void NftBatch::in_set(unsigned reg, std::string_view set) {
    const std::size_t at = begin_expression("lookup");
    out_.text(NFTA_LOOKUP_SET, set);
    out_.be32(NFTA_LOOKUP_SREG, register_number(reg));
    end_expression(at);
}

void NftBatch::map(unsigned reg, std::string_view map, unsigned to_reg) {
    const std::size_t at = begin_expression("lookup");
    out_.text(NFTA_LOOKUP_SET, map);
    out_.be32(NFTA_LOOKUP_SREG, register_number(reg));
    out_.be32(NFTA_LOOKUP_DREG, register_number(to_reg));
    end_expression(at);
}

void NftBatch::destination_nat(bool v6, unsigned address_reg, unsigned port_reg) {
    const std::size_t at = begin_expression("nat");
    out_.be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    out_.be32(NFTA_NAT_FAMILY, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    out_.be32(NFTA_NAT_REG_ADDR_MIN, register_number(address_reg));
    out_.be32(NFTA_NAT_REG_PROTO_MIN, register_number(port_reg));
    end_expression(at);
}

void NftBatch::masquerade() {
    const std::size_t at = begin_expression("masq");
    end_expression(at);
}

void NftBatch::verdict(std::int32_t code, std::string_view chain) {
    const std::size_t at = begin_expression("immediate");
    out_.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const std::size_t value = out_.begin_nest(NFTA_IMMEDIATE_DATA);
    const std::size_t nest = out_.begin_nest(NFTA_DATA_VERDICT);
    out_.be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
    if (!chain.empty()) out_.text(NFTA_VERDICT_CHAIN, chain);
    out_.end_nest(nest);
    out_.end_nest(value);
    end_expression(at);
}

void NftBatch::accept() { verdict(NF_ACCEPT, {}); }
void NftBatch::drop() { verdict(NF_DROP, {}); }
void NftBatch::jump(std::string_view chain) { verdict(NFT_JUMP, chain); }

}  // namespace engine::net
