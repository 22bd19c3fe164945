#include "engine/net/netlink_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netlink.h>

#include "engine/reactor/check.h"

namespace engine::net {
namespace {

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }

}  // namespace

void MessageWriter::append(const void* data, std::size_t bytes) {
    if (bytes > 0) out_.append(static_cast<const char*>(data), bytes);
    out_.append(aligned(bytes) - bytes, '\0');
}

void MessageWriter::begin_message(std::uint16_t type, std::uint16_t flags) {
    CHECK(!open_);
    open_ = true;
    start_ = out_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = ++count_;
    append(&header, sizeof header);
}

void MessageWriter::end() {
    CHECK(open_);
    open_ = false;
    const auto length = static_cast<std::uint32_t>(out_.size() - start_);
    std::memcpy(out_.data() + start_, &length, sizeof length);
}

void MessageWriter::attribute(std::uint16_t type, const void* data, std::size_t bytes) {
    CHECK(bytes < 0xffff - sizeof(nlattr));
    nlattr header{};
    header.nla_len = static_cast<std::uint16_t>(sizeof header + bytes);
    header.nla_type = type;
    append(&header, sizeof header);
    append(data, bytes);
}

void MessageWriter::text(std::uint16_t type, std::string_view value) {
    const std::string copy(value);
    attribute(type, copy.c_str(), copy.size() + 1);
}

void MessageWriter::be16(std::uint16_t type, std::uint16_t value) { u16(type, htons(value)); }
void MessageWriter::be32(std::uint16_t type, std::uint32_t value) { u32(type, htonl(value)); }
void MessageWriter::be64(std::uint16_t type, std::uint64_t value) {
    const std::uint64_t wire = htobe64(value);
    attribute(type, &wire, sizeof wire);
}

std::size_t MessageWriter::begin_nest(std::uint16_t type) {
    const std::size_t at = out_.size();
    attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), nullptr, 0);
    return at;
}

void MessageWriter::end_nest(std::size_t at) {
    const std::size_t bytes = out_.size() - at;
    CHECK(bytes <= 0xffff);
    const auto length = static_cast<std::uint16_t>(bytes);
    std::memcpy(out_.data() + at, &length, sizeof length);
}

std::optional<Message> MessageReader::next() {
    if (left_.empty()) return std::nullopt;
    nlmsghdr header;
    if (left_.size() < sizeof header) {
        broken_ = true;
        return std::nullopt;
    }
    std::memcpy(&header, left_.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > left_.size()) {
        broken_ = true;
        return std::nullopt;
    }
    Message out;
    out.type = header.nlmsg_type;
    out.flags = header.nlmsg_flags;
    out.sequence = header.nlmsg_seq;
    out.port = header.nlmsg_pid;
    out.payload = left_.substr(sizeof header, header.nlmsg_len - sizeof header);
    left_.remove_prefix(std::min(aligned(header.nlmsg_len), left_.size()));
    return out;
}

std::optional<Attribute> AttributeReader::next() {
    nlattr header;
    if (left_.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, left_.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > left_.size()) return std::nullopt;
    Attribute out;
    out.type = header.nla_type & NLA_TYPE_MASK;
    out.value = left_.substr(sizeof header, header.nla_len - sizeof header);
    left_.remove_prefix(std::min(aligned(header.nla_len), left_.size()));
    return out;
}

std::optional<Acknowledgement> acknowledgement(const Message& message) {
    if (message.type != NLMSG_ERROR) return std::nullopt;
    const auto fixed = fixed_part<nlmsgerr>(message.payload);
    if (!fixed) return std::nullopt;
    Acknowledgement out;
    out.error = -fixed->error;
    out.sequence = message.sequence;
    if (!(message.flags & NLM_F_ACK_TLVS)) return out;
    // Behind the error comes the request's header, and the whole request unless the kernel capped it.
    std::size_t skip = sizeof(nlmsgerr);
    if (!(message.flags & NLM_F_CAPPED) && fixed->msg.nlmsg_len > sizeof(nlmsghdr))
        skip += aligned(fixed->msg.nlmsg_len - sizeof(nlmsghdr));
    if (skip >= message.payload.size()) return out;
    AttributeReader attributes(message.payload.substr(skip));
    while (const auto attribute = attributes.next())
        if (attribute->type == NLMSGERR_ATTR_MSG) out.text = std::string(attribute->text());
    return out;
}

}  // namespace engine::net
