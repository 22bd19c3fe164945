// Which addresses of one subnet are given out. Pure; who holds an address gives it back. An address that was given back
// is the last to be given out again: the search goes round, beginning behind the one handed out last.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "engine/net/address.h"
#include "engine/reactor/result.h"

namespace engine::net {

class AddressPool {
public:
    AddressPool() = default;
    // `range`: only from there; invalid: the whole subnet. The network's own address and, of v4, the broadcast address
    // are never given out.
    AddressPool(Prefix subnet, Prefix range);

    // "no available IPv4 addresses on this network's address pools: ..." is for the caller to say.
    Result<Address> allocate();
    Result<void> reserve(const Address& address);   // conflict: "Address already in use"
    void release(const Address& address);
    bool holds(const Address& address) const;

    const Prefix& subnet() const { return subnet_; }
    std::uint64_t cursor() const { return cursor_; }   // to be kept over a restart
    void set_cursor(std::uint64_t offset) { cursor_ = offset; }
    std::size_t used() const { return used_.size(); }

private:
    Prefix subnet_;
    std::uint64_t first_ = 0, last_ = 0;   // offsets in the subnet that may be given out
    std::uint64_t cursor_ = 0;             // the offset handed out last
    std::set<std::uint64_t> used_;
};

// Docker's list of subnets for networks that ask for none, in its order: 172.17.0.0/16 .. 172.31.0.0/16 (the first is
// the default bridge's), 192.168.0.0/20 ...
std::vector<Prefix> default_subnets();
// The first of them that overlaps none of `taken`.
Result<Prefix> choose_subnet(const std::vector<Prefix>& taken, bool default_bridge);

}  // namespace engine::net
