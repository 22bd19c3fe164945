#include "engine/net/ipam.h"

#include <algorithm>

namespace engine::net {

AddressPool::AddressPool(Prefix subnet, Prefix range) : subnet_(subnet.network()) {
    const Prefix from = range.valid() ? range.network() : subnet_;
    first_ = from.first().minus(subnet_.first());
    last_ = from.last().minus(subnet_.first());
    if (first_ == 0) first_ = 1;
    // All of a v6 subnet's addresses are hosts' (RFC 4291); of v4 the last one is not.
    const bool broadcast = !subnet_.address.is_v6() && subnet_.length < 31 && from.last() == subnet_.last();
    if (broadcast && last_ > 0) --last_;
    if (subnet_.length >= 31 && !subnet_.address.is_v6()) first_ = 0;
    cursor_ = first_ == 0 ? last_ : first_ - 1;
}

Result<Address> AddressPool::allocate() {
    if (first_ > last_) return fail(ErrorKind::exhausted, "no available addresses in " + subnet_.text());
    const std::uint64_t start = cursor_ >= first_ && cursor_ < last_ ? cursor_ + 1 : first_;
    // Twice through the sorted set: from the start to the end, from the beginning to the start.
    const auto search = [this](std::uint64_t from, std::uint64_t to) -> std::uint64_t {
        auto at = used_.lower_bound(from);
        while (from <= to && at != used_.end() && *at == from) ++at, ++from;
        return from;
    };
    std::uint64_t found = search(start, last_);
    if (found > last_) {
        if (start == first_) return fail(ErrorKind::exhausted, "no available addresses in " + subnet_.text());
        found = search(first_, start - 1);
        if (found >= start) return fail(ErrorKind::exhausted, "no available addresses in " + subnet_.text());
    }
    used_.insert(found);
    cursor_ = found;
    return subnet_.first().plus(found);
}

Result<void> AddressPool::reserve(const Address& address) {
    if (!subnet_.contains(address))
        return fail(ErrorKind::invalid, "address " + address.text() + " is not in " + subnet_.text());
    const std::uint64_t offset = address.minus(subnet_.first());
    if (!used_.insert(offset).second) return fail(ErrorKind::forbidden, "Address already in use");
    return {};
}

void AddressPool::release(const Address& address) {
    if (subnet_.contains(address)) used_.erase(address.minus(subnet_.first()));
}

bool AddressPool::holds(const Address& address) const {
    return subnet_.contains(address) && used_.contains(address.minus(subnet_.first()));
}

std::vector<Prefix> default_subnets() {
    std::vector<Prefix> out;
    constexpr std::uint32_t base_172 = 172u << 24;
    constexpr std::uint32_t base_192 = (192u << 24) | (168u << 16);
    for (std::uint32_t second = 17; second <= 31; ++second) out.push_back({Address::v4(base_172 | second << 16), 16});
    for (std::uint32_t step = 0; step < 16; ++step) out.push_back({Address::v4(base_192 | step << 12), 20});
    return out;
}

Result<Prefix> choose_subnet(const std::vector<Prefix>& taken, bool default_bridge) {
    for (const Prefix& candidate : default_subnets()) {
        const bool busy = std::any_of(taken.begin(), taken.end(), [&](const Prefix& prefix) {
            // A default route overlaps everything and means nothing.
            return prefix.length > 0 && prefix.address.size() == 4 && prefix.overlaps(candidate);
        });
        if (!busy) return candidate;
    }
    if (default_bridge)
        return fail(ErrorKind::exhausted,
                    "could not find an available, non-overlapping IPv4 address pool for the default bridge: give it "
                    "one by --bip");
    return fail(ErrorKind::invalid, "all predefined address pools have been fully subnetted");
}

}  // namespace engine::net
