#include "engine/net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace engine::net {

std::optional<Address> Address::parse(std::string_view text) {
    if (text.empty() || text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    const std::string copy(text);
    const bool v6 = text.find(':') != std::string_view::npos;
    std::uint8_t bytes[16] = {};
    if (inet_pton(v6 ? AF_INET6 : AF_INET, copy.c_str(), bytes) != 1) return std::nullopt;
    return from_bytes(bytes, v6);
}

Address Address::v4(std::uint32_t host_order) {
    const std::uint32_t wire = htonl(host_order);
    return from_bytes(&wire, false);
}

Address Address::from_bytes(const void* bytes, bool v6) {
    Address out;
    out.size_ = v6 ? 16 : 4;
    std::memcpy(out.bytes_.data(), bytes, out.size_);
    return out;
}

std::uint32_t Address::v4_number() const {
    std::uint32_t wire = 0;
    std::memcpy(&wire, bytes_.data(), sizeof wire);
    return ntohl(wire);
}

bool Address::is_loopback() const {
    if (!is_v6()) return size_ == 4 && bytes_[0] == 127;
    return *this == *parse("::1");
}

bool Address::is_unspecified() const {
    return valid() && std::all_of(bytes_.begin(), bytes_.begin() + size_, [](std::uint8_t b) { return b == 0; });
}

std::string Address::text() const {
    char out[INET6_ADDRSTRLEN] = {};
    if (valid()) inet_ntop(is_v6() ? AF_INET6 : AF_INET, bytes_.data(), out, sizeof out);
    return out;
}

Address Address::plus(std::uint64_t offset) const {
    Address out = *this;
    for (int at = size_ - 1; at >= 0 && offset != 0; --at) {
        const std::uint64_t sum = out.bytes_[static_cast<std::size_t>(at)] + (offset & 0xff);
        out.bytes_[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(sum);
        offset = (offset >> 8) + (sum >> 8);
    }
    return out;
}

std::uint64_t Address::minus(const Address& below) const {
    std::uint64_t out = 0;
    int borrow = 0;
    for (int at = size_ - 1; at >= 0; --at) {
        int digit = bytes_[static_cast<std::size_t>(at)] - below.bytes_[static_cast<std::size_t>(at)] - borrow;
        borrow = digit < 0;
        digit += borrow * 256;
        const int place = size_ - 1 - at;
        if (place >= 8 && digit != 0) return UINT64_MAX;
        if (place < 8) out |= static_cast<std::uint64_t>(digit) << (8 * place);
    }
    return borrow ? UINT64_MAX : out;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto address = Address::parse(text.substr(0, slash));
    const std::string_view digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (!address || digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
        return std::nullopt;
    if (length > address->bits()) return std::nullopt;
    return Prefix{*address, length};
}

namespace {

Address with_host_bits(const Prefix& prefix, bool set) {
    std::uint8_t bytes[16] = {};
    std::memcpy(bytes, prefix.address.bytes(), prefix.address.size());
    for (unsigned bit = prefix.length; bit < prefix.address.bits(); ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
        if (set) {
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | mask);
        } else {
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~mask);
        }
    }
    return Address::from_bytes(bytes, prefix.address.is_v6());
}

}  // namespace

Address Prefix::first() const { return with_host_bits(*this, false); }
Address Prefix::last() const { return with_host_bits(*this, true); }

bool Prefix::contains(const Address& other) const {
    return valid() && other.size() == address.size() && Prefix{other, length}.first() == first();
}

bool Prefix::overlaps(const Prefix& other) const {
    return length <= other.length ? contains(other.address) : other.contains(address);
}

std::string Prefix::text() const { return address.text() + "/" + std::to_string(length); }

std::optional<HardwareAddress> HardwareAddress::parse(std::string_view text) {
    HardwareAddress out;
    if (text.size() != 17) return std::nullopt;
    for (std::size_t i = 0; i < 6; ++i) {
        const char* digits = text.data() + i * 3;
        const auto parsed = std::from_chars(digits, digits + 2, out.bytes[i], 16);
        if (parsed.ec != std::errc{} || parsed.ptr != digits + 2) return std::nullopt;
        if (i < 5 && digits[2] != ':' && digits[2] != '-') return std::nullopt;
    }
    return out;
}

HardwareAddress HardwareAddress::from_address(const Address& address) {
    HardwareAddress out;
    out.bytes = {0x02, 0x42};
    std::memcpy(out.bytes.data() + 2, address.bytes() + address.size() - 4, 4);
    return out;
}

std::string HardwareAddress::text() const {
    if (*this == HardwareAddress()) return {};
    char out[18];
    std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                  bytes[5]);
    return out;
}

}  // namespace engine::net
