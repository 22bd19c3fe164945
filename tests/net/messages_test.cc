// Netlink bytes, written and read.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "engine/net/dns_message.h"
#include "engine/net/firewall.h"
#include "engine/net/link_messages.h"
#include "engine/net/nft_message.h"

namespace engine::net {
namespace {

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        constexpr char digits[] = "0123456789abcdef";
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

TEST(NetlinkMessageTest, AddressRequestIsTheKernelsLayout) {
    MessageWriter writer;
    add_address(writer, 3, *Prefix::parse("10.0.0.2/24"));
    EXPECT_EQ(hex(writer.bytes()),
              "30000000"      // length
              "1400" "0506"   // RTM_NEWADDR, REQUEST | ACK | CREATE | EXCL
              "01000000" "00000000"
              "02180000" "03000000"        // AF_INET, /24, index
              "08000200" "0a000002"        // IFA_LOCAL
              "08000100" "0a000002"        // IFA_ADDRESS
              "08000400" "0a0000ff");      // IFA_BROADCAST
}

TEST(NetlinkMessageTest, NestsKnowTheirLength) {
    MessageWriter writer;
    add_veth(writer, {"veth1", "eth0", *HardwareAddress::parse("02:42:0a:00:00:02"), 1400, 7}, 5);
    MessageReader reader(writer.bytes());
    const auto message = reader.next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type, RTM_NEWLINK);
    const auto facts = link_facts(*message);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->name, "veth1");
    EXPECT_EQ(facts->kind, "veth");
    EXPECT_EQ(facts->master, 7u);
    EXPECT_EQ(facts->mtu, 1400u);
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.broken());
}

TEST(NetlinkMessageTest, BrokenInputEndsTheWalk) {
    MessageWriter writer;
    add_address(writer, 3, *Prefix::parse("10.0.0.2/24"));
    const std::string bytes = writer.bytes();
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        MessageReader reader(std::string_view(bytes).substr(0, cut));
        EXPECT_FALSE(reader.next()) << cut;
        EXPECT_TRUE(reader.broken()) << cut;
    }
    AttributeReader attributes(std::string_view("\x03\x00\x01\x00", 4));   // shorter than its own header
    EXPECT_FALSE(attributes.next());
    AttributeReader longer(std::string_view("\x10\x00\x01\x00", 4));
    EXPECT_FALSE(longer.next());
}

TEST(NetlinkMessageTest, TheKernelsWordsAreRead) {
    std::string payload(20, '\0');
    const int error = -EINVAL;
    std::memcpy(payload.data(), &error, sizeof error);
    payload += std::string("\x0a\x00\x01\x00No way\0\0", 12);   // NLMSGERR_ATTR_MSG
    Message message;
    message.type = NLMSG_ERROR;
    message.flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
    message.payload = payload;
    const auto answer = acknowledgement(message);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error, EINVAL);
    EXPECT_EQ(answer->text, "No way");
}

TEST(DnsMessageTest, WhatIsAskedIsReadAndAnswered) {
    const std::string asked = build_query(7, "web.42.4789.vxlan", dns::type_a);
    unsigned fault = dns::no_error;
    const auto query = parse_query(asked, fault);
    ASSERT_TRUE(query);
    EXPECT_EQ(query->name, "web.42.4789.vxlan");
    const Address one = *Address::parse("10.80.0.2");
    const Address other = *Address::parse("10.80.0.70");
    const std::string answer = build_answer(asked, *query, dns::no_error,
                                            {address_record(one), name_record("x"), address_record(other)}, 1,
                                            dns::udp_bytes);
    const auto facts = parse_response(answer);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->id, 7);
    EXPECT_EQ(addresses_in(answer, *facts, dns::type_a), (std::vector<Address>{one, other}));
    EXPECT_TRUE(addresses_in(answer, *facts, dns::type_aaaa).empty());
    for (std::size_t size = 0; size < answer.size(); ++size)
        EXPECT_FALSE(parse_response(std::string_view(answer).substr(0, size)));
}

TEST(FirewallTest, APortIsOneElement) {
    const PublishedPort port{*Address::parse("0.0.0.0"), 8080, Protocol::tcp, *Address::parse("172.17.0.2"), 80};
    const std::string one = ports_change("t", {port}, true);
    const std::string two = ports_change("t", {port, port}, true);
    EXPECT_LT(two.size() - one.size(), 150u);
    MessageReader reader(one);
    std::vector<int> types;
    while (const auto message = reader.next()) types.push_back(message->type);
    EXPECT_EQ(types, (std::vector<int>{0x10, 0xa0c, 0x11}));   // begin, NEWSETELEM, end
    EXPECT_NE(hex(one).find("0600000" "01f900000"), std::string::npos);   // tcp . 8080
    EXPECT_NE(hex(one).find("ac110002" "00500000"), std::string::npos);   // 172.17.0.2 . 80
}

}  // namespace
}  // namespace engine::net
