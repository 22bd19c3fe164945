#include "bench/floor_network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include "bench/floor.h"
#include "engine/net/link_messages.h"
#include "engine/net/netlink_socket.h"

namespace floor_bench {
namespace {

using namespace engine::net;

NetlinkSocket open_socket() {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    must(socket.has_value(), "netlink");
    return std::move(*socket);
}

void ask(NetlinkSocket& socket, const MessageWriter& messages, const char* what) {
    const auto done = socket.request(messages);
    if (done) return;
    errno = done.error().error_number();
    die(what);
}

}  // namespace

int make_endpoint(const std::string& bridge, int number) {
    static const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    static NetlinkSocket outside = open_socket();
    must(unshare(CLONE_NEWNET) == 0, "unshare");
    const int made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    NetlinkSocket inside = open_socket();
    must(made >= 0 && setns(home, CLONE_NEWNET) == 0, "setns");
    const Address address = Address::v4(10u << 24 | 250u << 16 | (static_cast<unsigned>(number) % 65000 + 10));
    VethPlan veth;
    veth.host_name = "vethf" + std::to_string(getpid() % 10000) + "x" + std::to_string(number % 10000);
    veth.inside_name = "eth0";
    veth.inside_hardware = HardwareAddress::from_address(address);
    veth.bridge_index = if_nametoindex(bridge.c_str());
    must(veth.bridge_index > 0, bridge.c_str());
    MessageWriter outer;
    add_veth(outer, veth, made);
    add_hairpin(outer, veth.host_name);
    ask(outside, outer, "making a veth");
    MessageWriter query;
    add_link_query(query, veth.inside_name);
    std::uint32_t index = 0;
    const auto asked = inside.query(query, [&](const Message& message) {
        if (const auto facts = link_facts(message)) index = facts->index;
    });
    must(asked.has_value() && index > 0, "asking for eth0");
    MessageWriter inner;
    add_link_up(inner, 1);
    add_link_up(inner, index);
    add_address(inner, index, {address, 16});
    add_route(inner, index, {{}, Address::v4(10u << 24 | 250u << 16 | 1), 0}, false);
    ask(inside, inner, "setting up eth0");
    return made;
}

}  // namespace floor_bench
