// Addresses, prefixes, pools, choice of subnets: pure.
#include <gtest/gtest.h>

#include "engine/net/address.h"
#include "engine/net/ipam.h"
#include "engine/net/net_call.h"
#include "engine/net/network_text.h"
#include "engine/net/networks.h"

namespace engine::net {
namespace {

Prefix prefix(const char* text) { return *Prefix::parse(text); }
Address address(const char* text) { return *Address::parse(text); }

TEST(AddressTest, ParsesAndPrints) {
    EXPECT_EQ(address("172.17.0.2").text(), "172.17.0.2");
    EXPECT_EQ(address("FD00::0:1").text(), "fd00::1");
    for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "fe80::1%eth0", "1.2.3.4/8", " 1.2.3.4"})
        EXPECT_FALSE(Address::parse(bad)) << bad;
    EXPECT_TRUE(address("127.0.0.53").is_loopback());
    EXPECT_TRUE(address("::1").is_loopback());
    EXPECT_FALSE(address("10.0.0.1").is_loopback());
    EXPECT_TRUE(address("0.0.0.0").is_unspecified());
    EXPECT_FALSE(Address().is_unspecified());
}

TEST(AddressTest, CountsOverByteBorders) {
    EXPECT_EQ(address("10.0.0.255").plus(1).text(), "10.0.1.0");
    EXPECT_EQ(address("10.0.1.0").minus(address("10.0.0.255")), 1u);
    EXPECT_EQ(address("fd00::ffff").plus(1).text(), "fd00::1:0");
    EXPECT_EQ(address("fd00:1::").minus(address("fd00::")), UINT64_MAX);
    EXPECT_EQ(address("10.0.0.0").minus(address("10.0.0.1")), UINT64_MAX);
}

TEST(PrefixTest, KnowsItsRange) {
    EXPECT_EQ(prefix("172.17.5.9/16").first().text(), "172.17.0.0");
    EXPECT_EQ(prefix("172.17.5.9/16").last().text(), "172.17.255.255");
    EXPECT_EQ(prefix("10.0.0.1/0").first().text(), "0.0.0.0");
    EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
    EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
    EXPECT_FALSE(prefix("10.0.0.0/16").overlaps(prefix("10.1.0.0/16")));
    EXPECT_FALSE(prefix("10.0.0.0/8").contains(address("fd00::1")));
    for (const char* bad : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "10.0.0.0/8x", "fd00::/129"})
        EXPECT_FALSE(Prefix::parse(bad)) << bad;
}

TEST(HardwareAddressTest, ComesFromTheAddress) {
    EXPECT_EQ(HardwareAddress::from_address(address("172.17.0.2")).text(), "02:42:ac:11:00:02");
    EXPECT_EQ(HardwareAddress::parse("02-42-AC-11-00-02")->text(), "02:42:ac:11:00:02");
    for (const char* bad : {"", "02:42:ac:11:00", "02:42:ac:11:00:0g", "02:42:ac:11:00:02:03", "0242ac110002"})
        EXPECT_FALSE(HardwareAddress::parse(bad)) << bad;
}

TEST(AddressPoolTest, GoesRoundBeforeItGivesAnAddressAgain) {
    AddressPool pool(prefix("10.0.0.0/29"), {});   // .1 to .6
    ASSERT_TRUE(pool.reserve(address("10.0.0.1")));
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.2");
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.3");
    pool.release(address("10.0.0.2"));
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.4");
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.5");
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.6");
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.2");
    EXPECT_FALSE(pool.allocate());
    pool.release(address("10.0.0.6"));
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.6");
    EXPECT_EQ(pool.used(), 6u);
}

TEST(AddressPoolTest, RefusesWhatIsTakenOrForeign) {
    AddressPool pool(prefix("10.0.0.0/24"), prefix("10.0.0.128/25"));
    EXPECT_EQ(pool.allocate()->text(), "10.0.0.128");
    EXPECT_EQ(pool.reserve(address("10.0.0.128")).error().message(), "Address already in use");
    EXPECT_TRUE(pool.reserve(address("10.0.0.9")));   // out of the range, in the subnet
    EXPECT_FALSE(pool.reserve(address("10.0.1.9")));
    for (int i = 129; i <= 254; ++i) EXPECT_EQ(pool.allocate()->text(), "10.0.0." + std::to_string(i));
    EXPECT_FALSE(pool.allocate());
}

TEST(AddressPoolTest, KeepsItsPlaceOverARestart) {
    AddressPool pool(prefix("10.0.0.0/24"), {});
    ASSERT_TRUE(pool.allocate());
    ASSERT_TRUE(pool.allocate());
    AddressPool next(prefix("10.0.0.0/24"), {});
    next.set_cursor(pool.cursor());
    EXPECT_EQ(next.allocate()->text(), "10.0.0.3");
}

TEST(AddressPoolTest, SmallestSubnets) {
    AddressPool pair(prefix("10.0.0.0/31"), {});
    EXPECT_TRUE(pair.allocate());
    EXPECT_TRUE(pair.allocate());
    EXPECT_FALSE(pair.allocate());
    AddressPool v6(prefix("fd00::/126"), {});
    EXPECT_EQ(v6.allocate()->text(), "fd00::1");
    EXPECT_EQ(v6.allocate()->text(), "fd00::2");
    EXPECT_EQ(v6.allocate()->text(), "fd00::3");
    EXPECT_FALSE(v6.allocate());
}

TEST(SubnetChoiceTest, OverlapsNothing) {
    EXPECT_EQ(choose_subnet({}, true)->text(), "172.17.0.0/16");
    EXPECT_EQ(choose_subnet({prefix("172.16.0.0/12")}, true)->text(), "192.168.0.0/20");
    EXPECT_EQ(choose_subnet({prefix("172.17.3.0/24"), prefix("0.0.0.0/0")}, true)->text(), "172.18.0.0/16");
    EXPECT_FALSE(choose_subnet({prefix("172.16.0.0/12"), prefix("192.168.0.0/16")}, true));
}

TEST(OptionsTest, ContradictionsAreNamed) {
    Options options;
    EXPECT_TRUE(check_options(options));
    options.bridge = "br0";
    options.bip = "10.0.0.1/24";
    EXPECT_NE(check_options(options).error().message().find("-b & --bip"), std::string::npos);
    options = {};
    options.icc = options.iptables = false;
    EXPECT_NE(check_options(options).error().message().find("--icc=false"), std::string::npos);
    options = {};
    options.bip = "10.0.0.0/24";
    EXPECT_FALSE(check_options(options));
    options.bip = "10.0.0.1/24";
    options.fixed_cidr = "10.0.1.0/25";
    EXPECT_NE(check_options(options).error().message().find("--fixed-cidr"), std::string::npos);
    options.fixed_cidr = "10.0.0.128/25";
    options.default_gateway = "10.1.0.1";
    EXPECT_NE(check_options(options).error().message().find("--default-gateway"), std::string::npos);
    options = {};
    options.dns = {"1.1.1"};
    EXPECT_NE(check_options(options).error().message().find("--dns"), std::string::npos);
}

TEST(CallTest, ComesBackAsItWas) {
    AttachPlan plan;
    plan.resolver = true;
    EndpointPlan& endpoint = plan.endpoints.emplace_back();
    endpoint.veth.host_name = "veth1";
    endpoint.veth.inside_name = "eth0";
    endpoint.bridge = "docker0";
    endpoint.addresses = {prefix("10.0.0.2/24"), prefix("fd00::2/64")};
    endpoint.routes.push_back({prefix("10.9.0.0/16"), address("10.0.0.9"), 7});
    endpoint.settings = {{"net.ipv4.conf.IFNAME.log_martians", "1"}};
    const std::string bytes = pack(plan);
    AttachPlan back;
    ASSERT_TRUE(unpack(bytes, back));
    EXPECT_EQ(pack(back), bytes);
    EXPECT_EQ(back.endpoints[0].addresses[1].text(), "fd00::2/64");
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        AttachPlan broken;
        EXPECT_FALSE(unpack(std::string_view(bytes).substr(0, cut), broken)) << cut;
    }
}

TEST(TextTest, NetworksAndSandboxesComeBack) {
    Network network;
    network.id = std::string(64, 'a');
    network.spec.name = "web";
    network.spec.labels = {{"k", "v\"<"}};
    network.spec.internal = true;
    network.bridge = "br-aaaaaaaaaaaa";
    network.subnets.resize(1);
    network.subnets[0].prefix = prefix("10.5.0.0/16");
    network.subnets[0].gateway = address("10.5.0.1");
    network.subnets[0].auxiliary = {{"router", "10.5.0.7"}};
    const auto back = parse_network(network_text(network));
    ASSERT_TRUE(back);
    EXPECT_EQ(network_text(**back), network_text(network));
    EXPECT_FALSE(parse_network("{}"));
    EXPECT_FALSE(parse_network("[]"));
    Sandbox sandbox;
    sandbox.id = std::string(64, 'b');
    sandbox.container_id = std::string(64, 'c');
    sandbox.endpoints.push_back(std::make_shared<Endpoint>());
    sandbox.endpoints[0]->id = std::string(64, 'd');
    sandbox.endpoints[0]->v4 = prefix("10.5.0.2/16");
    sandbox.endpoints[0]->dns_names = {"one", "two"};
    sandbox.requests.push_back({80, Protocol::tcp, {}, 8080, 8081});
    sandbox.ports.emplace_back();
    sandbox.ports[0].published = {address("0.0.0.0"), 8080, Protocol::udp, address("10.5.0.2"), 80};
    const auto same = parse_sandbox(sandbox_text(sandbox));
    ASSERT_TRUE(same);
    EXPECT_EQ(sandbox_text(**same), sandbox_text(sandbox));
    EXPECT_EQ((*same)->ports[0].published, sandbox.ports[0].published);
}

}  // namespace
}  // namespace engine::net
