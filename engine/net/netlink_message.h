// Netlink messages as bytes: written and read, never sent. Pure. Attributes are four-byte aligned, each nest knows
// where it began.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "engine/net/address.h"

namespace engine::net {

// Several messages one behind the other, as one send carries them. Their sequence numbers are 1, 2, 3 ...
class MessageWriter {
public:
    // NLM_F_REQUEST is added. What is open must be ended first.
    template <class Fixed>
    void begin(std::uint16_t type, std::uint16_t flags, const Fixed& fixed) {
        begin_message(type, flags);
        append(&fixed, sizeof fixed);
    }
    void end();

    void attribute(std::uint16_t type, const void* data, std::size_t bytes);
    void flag(std::uint16_t type) { attribute(type, nullptr, 0); }
    void text(std::uint16_t type, std::string_view value);   // with its NUL
    void address(std::uint16_t type, const Address& value) { attribute(type, value.bytes(), value.size()); }
    void hardware(std::uint16_t type, const HardwareAddress& value) {
        attribute(type, value.bytes.data(), value.bytes.size());
    }
    void u8(std::uint16_t type, std::uint8_t value) { attribute(type, &value, sizeof value); }
    void u16(std::uint16_t type, std::uint16_t value) { attribute(type, &value, sizeof value); }
    void u32(std::uint16_t type, std::uint32_t value) { attribute(type, &value, sizeof value); }
    void be16(std::uint16_t type, std::uint16_t value);
    void be32(std::uint16_t type, std::uint32_t value);
    void be64(std::uint16_t type, std::uint64_t value);

    // The offset is what end_nest() wants.
    std::size_t begin_nest(std::uint16_t type);
    void end_nest(std::size_t at);
    // Bytes that are no attribute, such as the header that a veth's peer begins with.
    void append(const void* data, std::size_t bytes);

    const std::string& bytes() const { return out_; }
    std::string take() { return std::move(out_); }
    std::uint32_t count() const { return count_; }

private:
    void begin_message(std::uint16_t type, std::uint16_t flags);

    std::string out_;
    std::size_t start_ = 0;
    std::uint32_t count_ = 0;
    bool open_ = false;
};

struct Message {
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t port = 0;   // who asked for what is told
    std::string_view payload;
};

// Walks over what one read gave. A message that does not fit ends the walk, and broken() is true.
class MessageReader {
public:
    explicit MessageReader(std::string_view bytes) : left_(bytes) {}
    std::optional<Message> next();
    bool broken() const { return broken_; }

private:
    std::string_view left_;
    bool broken_ = false;
};

struct Attribute {
    std::uint16_t type = 0;   // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    std::string_view value;

    template <class T>
    std::optional<T> as() const {
        T out;
        if (value.size() < sizeof out) return std::nullopt;
        std::memcpy(&out, value.data(), sizeof out);
        return out;
    }
    std::string_view text() const { return value.substr(0, value.find('\0')); }
};

class AttributeReader {
public:
    explicit AttributeReader(std::string_view bytes) : left_(bytes) {}
    std::optional<Attribute> next();

private:
    std::string_view left_;
};

// The fixed struct at the head of a message, and the attributes behind it.
template <class Fixed>
std::optional<Fixed> fixed_part(std::string_view payload) {
    return Attribute{0, payload}.as<Fixed>();
}
template <class Fixed>
AttributeReader attributes_behind(std::string_view payload) {
    constexpr std::size_t aligned = (sizeof(Fixed) + 3) & ~std::size_t{3};
    return AttributeReader(payload.size() > aligned ? payload.substr(aligned) : std::string_view());
}

// An NLMSG_ERROR: the errno (0: acknowledged), and what the kernel says about it (NETLINK_EXT_ACK).
struct Acknowledgement {
    int error = 0;
    std::uint32_t sequence = 0;
    std::string text;
};
std::optional<Acknowledgement> acknowledgement(const Message& message);

}  // namespace engine::net
