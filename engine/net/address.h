// IP addresses, prefixes and hardware addresses as values: parsing, printing, arithmetic. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace engine::net {

class Address {
public:
    Address() = default;   // none
    static std::optional<Address> parse(std::string_view text);  // v4 or v6, no zone
    static Address v4(std::uint32_t host_order);
    static Address from_bytes(const void* bytes, bool v6);

    bool valid() const { return size_ != 0; }
    bool is_v6() const { return size_ == 16; }
    unsigned bits() const { return size_ * 8u; }
    const std::uint8_t* bytes() const { return bytes_.data(); }
    unsigned size() const { return size_; }
    std::uint32_t v4_number() const;   // host order
    bool is_loopback() const;
    bool is_unspecified() const;       // 0.0.0.0 or ::
    std::string text() const;          // "" when none

    // This address plus a number, and the distance from an address below it in the same prefix (saturating).
    Address plus(std::uint64_t offset) const;
    std::uint64_t minus(const Address& below) const;

    auto operator<=>(const Address&) const = default;

private:
    std::uint8_t size_ = 0;   // 0, 4 or 16
    std::array<std::uint8_t, 16> bytes_{};
};

struct Prefix {
    Address address;      // may have host bits where it says so
    unsigned length = 0;

    static std::optional<Prefix> parse(std::string_view text);  // "10.0.0.1/8"; the length is needed
    bool valid() const { return address.valid(); }
    Address first() const;                 // the network's own address
    Address last() const;                  // its broadcast address
    Prefix network() const { return {first(), length}; }
    bool contains(const Address& other) const;
    bool contains(const Prefix& other) const { return length <= other.length && contains(other.address); }
    bool overlaps(const Prefix& other) const;
    bool has_host_bits() const { return first() != address; }
    std::string text() const;              // "10.0.0.1/8"
    auto operator<=>(const Prefix&) const = default;
};

struct HardwareAddress {
    std::array<std::uint8_t, 6> bytes{};

    static std::optional<HardwareAddress> parse(std::string_view text);  // "02:42:ac:11:00:02", also with dashes
    // 02:42 and the four bytes of the address: who has the one has the other.
    static HardwareAddress from_address(const Address& address);
    std::string text() const;   // "" when none: all zero
    auto operator<=>(const HardwareAddress&) const = default;
};

}  // namespace engine::net
