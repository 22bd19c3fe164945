// One nftables transaction as netlink bytes. Pure. Registers hold four bytes each: `reg` counts them from 0
// (NFT_REG32_00).
#pragma once

#include "engine/net/netlink_message.h"

namespace engine::net {

class NftBatch {
public:
    explicit NftBatch(std::string table) : table_(std::move(table)) { begin(); }

    void add_table();
    void delete_table();
    // Nothing but a name: jumped to.
    void add_chain(std::string_view name);
    // type: "nat", "filter"; hook: NF_INET_*.
    void add_base_chain(std::string_view name, std::string_view type, std::uint32_t hook, std::int32_t priority);
    // Types are nft's numbers for its own listing; data_bytes 0: a set, else a map.
    void add_set(std::string_view name, std::uint32_t key_type, std::uint32_t key_bytes, std::uint32_t data_type = 0,
                 std::uint32_t data_bytes = 0);
    void add_element(std::string_view set, std::string_view key, std::string_view data = {});
    void delete_element(std::string_view set, std::string_view key);

    // A rule: expressions between these two.
    void begin_rule(std::string_view chain);
    void end_rule();
    void load_meta(std::uint32_t key, unsigned reg);
    void load_conntrack(std::uint32_t key, unsigned reg);
    void load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t bytes, unsigned reg);
    void load_address_type(bool of_source, unsigned reg);
    void mask(unsigned reg, std::string_view mask);
    void equal(unsigned reg, std::string_view value) { compare(reg, false, value); }
    void not_equal(unsigned reg, std::string_view value) { compare(reg, true, value); }
    void in_set(unsigned reg, std::string_view set);
    void map(unsigned reg, std::string_view map, unsigned to_reg);
    void destination_nat(bool v6, unsigned address_reg, unsigned port_reg);
    void masquerade();
    void accept();
    void drop();
    void jump(std::string_view chain);

    // The end of the transaction.
    std::string finish();

private:
    void begin();
    void begin_message(std::uint16_t type, std::uint16_t flags);
    std::size_t begin_expression(std::string_view name);
    void end_expression(std::size_t at);
    void compare(unsigned reg, bool different, std::string_view value);
    void data(std::uint16_t type, std::string_view value);
    void element_message(std::uint16_t type, std::uint16_t flags, std::string_view set, std::string_view key,
                         std::string_view value);
    void verdict(std::int32_t code, std::string_view chain);

    std::string table_;
    MessageWriter out_;
    std::size_t expressions_ = 0;
    std::size_t data_ = 0;
};

}  // namespace engine::net
