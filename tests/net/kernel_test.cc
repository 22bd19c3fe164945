// The worker's verbs against this kernel, each test in a network namespace of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/firewall.h"
#include "engine/net/host_network.h"

namespace engine::net {
namespace {

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}
Address address(const char* text) {
    return *Address::parse(text);
}

class KernelTest : public ::testing::Test {
protected:
    void SetUp() override {
        home_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no rights to make a network namespace";
        auto opened = HostNetwork::open();
        ASSERT_TRUE(opened) << opened.error().message();
        host_.emplace(std::move(*opened));
    }
    void TearDown() override { ASSERT_EQ(setns(home_.get(), CLONE_NEWNET), 0); }

    void make_bridge() {
        BridgePlan plan;
        plan.name = "br0";
        plan.hardware = *HardwareAddress::parse("02:42:0a:00:00:01");
        plan.addresses = {prefix("10.0.0.1/24")};
        auto made = host_->make_bridge(plan);
        ASSERT_TRUE(made) << made.error().message();
    }
    static EndpointPlan endpoint(const char* link, const char* v4) {
        EndpointPlan plan;
        plan.veth.host_name = link;
        plan.veth.inside_name = "eth0";
        plan.bridge = "br0";
        plan.addresses = {prefix(v4)};
        plan.veth.inside_hardware = HardwareAddress::from_address(plan.addresses[0].address);
        plan.gateway = address("10.0.0.1");
        return plan;
    }
    UniqueFd attach(const EndpointPlan& plan) {
        AttachPlan all;
        all.endpoints.push_back(plan);
        auto attached = host_->attach(all, -1);
        EXPECT_TRUE(attached) << attached.error().message();
        return attached ? std::move(attached->netns) : UniqueFd();
    }
    std::size_t links() { return host_->survey()->links.size(); }

    UniqueFd home_;
    std::optional<HostNetwork> host_;
};

// One end in `from`, asking for `to`:`port` where a socket of `server` listens. True when they meet.
bool connects(int from, const char* to, std::uint16_t port, int home) {
    EXPECT_EQ(setns(from, CLONE_NEWNET), 0);
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_EQ(setns(home, CLONE_NEWNET), 0);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    inet_pton(AF_INET, to, &peer.sin_addr);
    ::connect(client.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer);
    pollfd ready{client.get(), POLLOUT, 0};
    constexpr int patience = 1500;
    if (::poll(&ready, 1, patience) <= 0) return false;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0;
}

UniqueFd listener(int netns, std::uint16_t port, int home) {
    EXPECT_EQ(setns(netns, CLONE_NEWNET), 0);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(setns(home, CLONE_NEWNET), 0);
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_port = htons(port);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&self), sizeof self), 0);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    return fd;
}

TEST_F(KernelTest, ABridgeIsMadeOnceAndFoundAgain) {
    make_bridge();
    const auto survey = host_->survey();
    ASSERT_TRUE(survey);
    EXPECT_EQ(survey->links.size(), 2u);
    EXPECT_NE(std::find(survey->routes.begin(), survey->routes.end(), prefix("10.0.0.0/24")), survey->routes.end());
    BridgePlan again;
    again.name = "br0";
    again.addresses = {prefix("10.1.0.1/16")};
    const auto found = host_->make_bridge(again);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_TRUE(found->existed);
    const auto now = host_->survey();
    EXPECT_EQ(std::count_if(now->addresses.begin(), now->addresses.end(),
                            [](const AddressFacts& a) { return !a.address.address.is_v6(); }),
              1);
    again.name = "lo";
    EXPECT_NE(host_->make_bridge(again).error().message().find("not a bridge"), std::string::npos);
    again.name = "absent";
    again.make = false;
    EXPECT_FALSE(host_->make_bridge(again));
    ASSERT_TRUE(host_->remove_link("br0"));
    ASSERT_TRUE(host_->remove_link("br0"));
    EXPECT_EQ(links(), 1u);
}

TEST_F(KernelTest, AContainersNamespaceIsWholeAndLeavesNothing) {
    make_bridge();
    {
        const UniqueFd one = attach(endpoint("vetha", "10.0.0.2/24"));
        const UniqueFd two = attach(endpoint("vethb", "10.0.0.3/24"));
        ASSERT_TRUE(one && two);
        const UniqueFd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        const UniqueFd server = listener(two.get(), 80, here.get());
        EXPECT_TRUE(connects(one.get(), "10.0.0.3", 80, here.get()));
        EXPECT_TRUE(connects(here.get(), "10.0.0.3", 80, here.get()));
        EXPECT_EQ(links(), 4u);
    }
    for (int i = 0; i < 200 && links() > 2; ++i) usleep(20000);  // the kernel cleans up behind us
    EXPECT_EQ(links(), 2u);
}

TEST_F(KernelTest, ANetworkIsWiderThanABridge) {
    rlimit files{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 3000) GTEST_SKIP() << "too few descriptors";
    BridgePlan bridge;
    bridge.name = "br0";
    bridge.addresses = {prefix("10.0.0.1/16")};
    bridge.hardware = HardwareAddress::from_address(bridge.addresses[0].address);
    ASSERT_TRUE(host_->make_bridge(bridge));
    const UniqueFd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    std::vector<UniqueFd> containers;
    for (unsigned i = 0; i < 1100; ++i) {
        EndpointPlan plan = endpoint(("veth" + std::to_string(1000000 + i)).c_str(), "10.0.0.2/16");
        plan.addresses[0].address = Address::v4((10u << 24) + 256 + i);
        plan.veth.inside_hardware = HardwareAddress::from_address(plan.addresses[0].address);
        containers.push_back(attach(plan));
        if (HasFailure()) return;
    }
    EXPECT_EQ(links(), 1u + 2u + 1100u + 2u);   // lo, two bridges, the containers, the veth between the bridges
    const UniqueFd first = listener(containers[0].get(), 80, here.get());
    const UniqueFd last = listener(containers[1099].get(), 80, here.get());
    const std::string first_address = Address::v4((10u << 24) + 256).text();
    const std::string last_address = Address::v4((10u << 24) + 256 + 1099).text();
    EXPECT_TRUE(connects(here.get(), last_address.c_str(), 80, here.get()));
    EXPECT_TRUE(connects(here.get(), first_address.c_str(), 80, here.get()));   // it has moved to the new bridge
    EXPECT_TRUE(connects(containers[500].get(), last_address.c_str(), 80, here.get()));
    EXPECT_TRUE(connects(containers[1098].get(), first_address.c_str(), 80, here.get()));
    ASSERT_TRUE(host_->remove_link("br0"));
    const auto left = host_->survey();
    ASSERT_TRUE(left);
    for (const LinkFacts& link : left->links) EXPECT_NE(link.kind, "bridge") << link.name;
}

TEST_F(KernelTest, AVxlanPortIsMadeOnceAndAFailedOneLeavesNothing) {
    make_bridge();
    HostLinkPlan plan;
    plan.kind = HostLinkKind::vxlan;
    plan.name = "vx0";
    plan.bridge = "br0";
    plan.overlay.vni = 42;
    plan.overlay.port = 4789;
    plan.overlay.peers = {address("10.9.0.2"), address("10.9.0.3")};
    plan.mtu = 1450;
    auto made = host_->make_link(plan);
    if (!made && made.error().error_number() == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no vxlan links";
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_TRUE(host_->make_link(plan));
    const auto survey = host_->survey();
    const auto named = [&](const char* name) {
        return *std::find_if(survey->links.begin(), survey->links.end(),
                             [&](const LinkFacts& link) { return link.name == name; });
    };
    EXPECT_EQ(named("vx0").master, named("br0").index);
    EXPECT_EQ(named("vx0").mtu, 1450u);
    EXPECT_TRUE(named("vx0").up);
    const std::size_t before = links();
    plan.name = "vx1";   // the same number at the same port
    EXPECT_FALSE(host_->make_link(plan));
    plan.overlay.vni = 43;
    plan.overlay.peers = {address("fd00::2")};   // not of the family that the link has
    plan.overlay.local = address("10.0.0.1");
    EXPECT_FALSE(host_->make_link(plan));
    EXPECT_EQ(links(), before);
    plan.bridge = "absent";
    EXPECT_NE(host_->make_link(plan).error().message().find("absent does not exist"), std::string::npos);
    plan.name = "br0";
    plan.bridge = "";
    EXPECT_NE(host_->make_link(plan).error().message().find("not of the kind vxlan"), std::string::npos);
}

TEST_F(KernelTest, AFailedAttachLeavesNothing) {
    make_bridge();
    EndpointPlan bad = endpoint("vetha", "10.0.0.2/24");
    bad.gateway = address("192.168.77.1");  // not reachable
    AttachPlan plan;
    plan.endpoints = {bad};
    const auto failed = host_->attach(plan, -1);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message().find("eth0"), std::string::npos) << failed.error().message();
    EXPECT_EQ(links(), 2u);
    plan.endpoints = {endpoint("vetha", "10.0.0.2/24")};
    plan.endpoints[0].bridge = "absent";
    EXPECT_NE(host_->attach(plan, -1).error().message().find("absent"), std::string::npos);
    EXPECT_EQ(links(), 2u);
}

TEST_F(KernelTest, PortsAreTranslatedAndTakenAway) {
    make_bridge();
    const UniqueFd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(host_->settings({{"net/ipv4/conf/lo/accept_local", "0"}}));
    const UniqueFd one = attach(endpoint("vetha", "10.0.0.2/24"));
    const UniqueFd two = attach(endpoint("vethb", "10.0.0.3/24"));
    const UniqueFd server = listener(one.get(), 80, here.get());
    MessageWriter up;
    add_link_up(up, 1);
    auto route = NetlinkSocket::open(NETLINK_ROUTE);
    ASSERT_TRUE(route && route->request(up));
    FirewallState state;
    state.networks.push_back({"br0", {prefix("10.0.0.0/24")}, false, true, true});
    auto applied = host_->firewall(whole_table("t", state));
    if (!applied && applied.error().kind() == ErrorKind::not_implemented) GTEST_SKIP() << applied.error().message();
    ASSERT_TRUE(applied) << applied.error().message();
    const PublishedPort port{address("0.0.0.0"), 8080, Protocol::tcp, address("10.0.0.2"), 80};
    const PublishedPort local{address("127.0.0.1"), 8081, Protocol::tcp, address("10.0.0.2"), 80};
    EXPECT_FALSE(connects(here.get(), "127.0.0.1", 8080, here.get()));
    ASSERT_TRUE(host_->firewall(ports_change("t", {port, local}, true)));
    EXPECT_TRUE(connects(here.get(), "127.0.0.1", 8080, here.get()));
    EXPECT_TRUE(connects(here.get(), "10.0.0.1", 8080, here.get()));
    EXPECT_TRUE(connects(two.get(), "10.0.0.1", 8080, here.get()));  // a neighbour, by the host
    EXPECT_TRUE(connects(one.get(), "10.0.0.1", 8080, here.get()));  // the container itself
    EXPECT_TRUE(connects(here.get(), "127.0.0.1", 8081, here.get()));
    EXPECT_FALSE(connects(two.get(), "10.0.0.1", 8081, here.get()));  // published on 127.0.0.1 only
    ASSERT_TRUE(host_->firewall(ports_change("t", {port}, false)));
    EXPECT_FALSE(connects(two.get(), "10.0.0.1", 8080, here.get()));
    EXPECT_TRUE(connects(here.get(), "127.0.0.1", 8081, here.get()));
    ASSERT_TRUE(host_->firewall(table_removal("t")));
    EXPECT_FALSE(connects(here.get(), "127.0.0.1", 8081, here.get()));
}

TEST_F(KernelTest, NeighboursAreFiltered) {
    BridgePlan plan;
    plan.name = "br0";
    plan.addresses = {prefix("10.0.0.1/24")};
    plan.hardware = *HardwareAddress::parse("02:42:0a:00:00:01");
    plan.bridge_filter = true;
    auto made = host_->make_bridge(plan);
    if (!made) GTEST_SKIP() << made.error().message();
    const UniqueFd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    const UniqueFd one = attach(endpoint("vetha", "10.0.0.2/24"));
    const UniqueFd two = attach(endpoint("vethb", "10.0.0.3/24"));
    const UniqueFd server = listener(one.get(), 80, here.get());
    const UniqueFd other = listener(one.get(), 81, here.get());
    FirewallState state;
    state.networks.push_back({"br0", {prefix("10.0.0.0/24")}, false, false, true});
    auto applied = host_->firewall(whole_table("t", state));
    if (!applied && applied.error().kind() == ErrorKind::not_implemented) GTEST_SKIP() << applied.error().message();
    EXPECT_FALSE(connects(two.get(), "10.0.0.2", 80, here.get()));
    ASSERT_TRUE(
        host_->firewall(flows_change("t", {{address("10.0.0.3"), address("10.0.0.2"), Protocol::tcp, 80}}, true)));
    EXPECT_TRUE(connects(two.get(), "10.0.0.2", 80, here.get()));
    EXPECT_FALSE(connects(two.get(), "10.0.0.2", 81, here.get()));
}

TEST_F(KernelTest, TheKernelsOwnWordsAreInTheError) {
    make_bridge();
    const UniqueFd one = attach(endpoint("vetha", "10.0.0.2/24"));
    AttachPlan plan;
    plan.endpoints = {endpoint("vetha", "10.0.0.3/24")};
    const auto failed = host_->attach(plan, -1);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().error_number(), EEXIST);
    EXPECT_EQ(links(), 3u);  // the other container's link is still there
}

TEST_F(KernelTest, ResolverSocketsAnswerPort53) {
    make_bridge();
    const UniqueFd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    AttachPlan plan;
    plan.endpoints = {endpoint("vetha", "10.0.0.2/24")};
    plan.resolver = true;
    auto attached = host_->attach(plan, -1);
    if (!attached && attached.error().kind() == ErrorKind::not_implemented) GTEST_SKIP();
    ASSERT_TRUE(attached) << attached.error().message();
    EXPECT_TRUE(connects(attached->netns.get(), "127.0.0.11", 53, here.get()));
    const UniqueFd own = listener(attached->netns.get(), 53, here.get());  // 0.0.0.0:53 is still free
    EXPECT_TRUE(own);
}

}  // namespace
}  // namespace engine::net
