#include "engine/net/host_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "engine/net/dns_message.h"
#include "engine/net/firewall.h"
#include "engine/net/limits.h"
#include "engine/net/rules_watch.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr int loopback_index = 1;
constexpr std::uint32_t resolver_address = (127u << 24) | 11;   // 127.0.0.11, as Docker's
constexpr int resolver_backlog = 16;

// The caller's thread is in `netns` while this lives. Coming home cannot fail with a descriptor that is a namespace.
class Visit {
public:
    static Result<Visit> enter(int netns, int home) {
        if (setns(netns, CLONE_NEWNET) != 0) return fail_errno(errno, "entering a network namespace");
        return Visit(home);
    }
    Visit(Visit&& other) noexcept : home_(std::exchange(other.home_, -1)) {}
    Visit& operator=(Visit&&) = delete;
    ~Visit() {
        if (home_ >= 0) CHECK(setns(home_, CLONE_NEWNET) == 0);
    }

private:
    explicit Visit(int home) : home_(home) {}
    int home_;
};

Result<void> write_setting(const std::string& path, const std::string& value) {
    const std::string whole = "/proc/sys/" + path;
    UniqueFd fd(::open(whole.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) return fail_errno(errno, whole);
    // Writing what is there already would ask for rights that may be missing, and restart what depends on it.
    char now[64] = {};
    const ssize_t got = ::pread(fd.get(), now, sizeof now - 1, 0);
    if (got > 0 && std::string_view(now, static_cast<std::size_t>(got)) == value + "\n") return {};
    if (::pwrite(fd.get(), value.data(), value.size(), 0) < 0) return fail_errno(errno, "writing " + whole);
    return {};
}

Result<UniqueFd> new_namespace(int home) {
    if (unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "making a network namespace");
    UniqueFd made(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    const int error = errno;
    CHECK(setns(home, CLONE_NEWNET) == 0);
    if (!made) return fail_errno(error, "opening a new network namespace");
    return made;
}

// The words for what a full bridge answers, before the kernel's own.
Error attach_error(Error error, const EndpointPlan& plan) {
    if (error.error_number() == EXFULL)
        return Error(ErrorKind::exhausted,
                     "the bridge " + plan.bridge + " is full: a Linux bridge takes " +
                         std::to_string(limits::bridge_ports_max) + " containers",
                     EXFULL);
    return std::move(error).with_context("adding interface " + plan.veth.host_name + " to bridge " + plan.bridge);
}

Result<UniqueFd> resolver_socket(int type, std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "making the name server's socket");
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_port = htons(port);
    self.sin_addr.s_addr = htonl(resolver_address);
    // After a restart of the engine: connections to the one before linger.
    const int on = 1;
    if (type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&self), sizeof self) != 0)
        return fail_errno(errno, "binding the name server's socket");
    if (type == SOCK_STREAM && ::listen(fd.get(), resolver_backlog) != 0)
        return fail_errno(errno, "listening on the name server's socket");
    return fd;
}

std::uint16_t port_of(int fd) {
    sockaddr_in self{};
    socklen_t size = sizeof self;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&self), &size);
    return ntohs(self.sin_port);
}

bool lacks_nf_tables(const Error& error) {
    const int number = error.error_number();
    return number == EPROTONOSUPPORT || number == EOPNOTSUPP || number == EAFNOSUPPORT;
}

// In the namespace that the thread is in. The sockets stand on ports of their own, so that a name server in the
// container can have 53: what is sent there is translated by rules. A kernel without nf_tables leaves them 53 itself.
Result<ResolverSockets> make_resolver() {
    ResolverSockets out;
    TRY(out.udp, resolver_socket(SOCK_DGRAM, 0));
    TRY(out.tcp, resolver_socket(SOCK_STREAM, 0));
    auto filter = NetlinkSocket::open(NETLINK_NETFILTER);
    auto ruled = filter ? filter->batch(resolver_table(port_of(out.udp.get()), port_of(out.tcp.get())))
                        : Result<void>(fail(std::move(filter.error())));
    if (ruled) return out;
    if (!lacks_nf_tables(ruled.error())) return fail(std::move(ruled.error()));
    TRY(out.udp, resolver_socket(SOCK_DGRAM, dns::port));
    TRY(out.tcp, resolver_socket(SOCK_STREAM, dns::port));
    return out;
}

std::string with_interface(std::string path, const std::string& name) {
    for (const std::string_view word : {"IFNAME", "ifname"})
        if (const std::size_t at = path.find(word); at != std::string::npos) path.replace(at, word.size(), name);
    std::replace(path.begin(), path.end(), '.', '/');
    return path;
}

}  // namespace

Result<HostNetwork> HostNetwork::open() {
    TRY(auto route, NetlinkSocket::open(NETLINK_ROUTE));
    UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home) return fail_errno(errno, "/proc/thread-self/ns/net");
    return HostNetwork(std::move(route), std::move(home));
}

Result<Survey> HostNetwork::survey() {
    Survey out;
    MessageWriter links, addresses, routes;
    add_link_dump(links);
    add_address_dump(addresses);
    add_route_dump(routes);
    TRY_VOID(route_.query(links, [&](const Message& message) {
        if (auto facts = link_facts(message)) out.links.push_back(std::move(*facts));
    }));
    TRY_VOID(route_.query(addresses, [&](const Message& message) {
        if (auto facts = address_facts(message)) out.addresses.push_back(*facts);
    }));
    TRY_VOID(route_.query(routes, [&](const Message& message) {
        const auto facts = route_facts(message);
        if (!facts || !facts->destination.valid() || facts->destination.length == 0) return;
        if (out.routes.size() < limits::surveyed_prefixes_max) out.routes.push_back(facts->destination);
    }));
    return out;
}

Result<std::uint32_t> HostNetwork::index_in(NetlinkSocket& socket, const std::string& name) {
    MessageWriter query;
    add_link_query(query, name);
    std::uint32_t index = 0;
    auto asked = socket.query(query, [&](const Message& message) {
        if (const auto facts = link_facts(message)) index = facts->index;
    });
    if (!asked && asked.error().error_number() == ENODEV)
        return fail(Error(ErrorKind::not_found, "interface " + name + " does not exist", ENODEV));
    TRY_VOID(std::move(asked));
    return index;
}

Result<std::uint32_t> HostNetwork::index_of(const std::string& name) { return index_in(route_, name); }

Result<BridgeMade> HostNetwork::make_bridge(const BridgePlan& plan) {
    BridgeMade out;
    TRY(const Survey now, survey());
    const auto found = std::find_if(now.links.begin(), now.links.end(),
                                    [&](const LinkFacts& link) { return link.name == plan.name; });
    out.existed = found != now.links.end();
    if (out.existed && found->kind != "bridge")
        return fail(ErrorKind::invalid, "existing interface " + plan.name + " is not a bridge");
    if (!out.existed && !plan.make)
        return fail(ErrorKind::not_found, "bridge device with non default name " + plan.name +
                                              " must be created manually");
    if (out.existed && plan.filters_vlans && !found->filters_vlans)
        return fail(ErrorKind::invalid, "the bridge " + plan.name + " does not filter VLANs: switch that on (ip link "
                                        "set " + plan.name + " type bridge vlan_filtering 1)");
    if (!out.existed) {
        MessageWriter create;
        add_bridge(create, plan.name, plan.hardware, plan.mtu, plan.filters_vlans);
        if (auto made = route_.request(create); !made) {
            if (plan.filters_vlans && made.error().error_number() == EOPNOTSUPP)
                return fail(Error(ErrorKind::not_implemented, "the bridges of this kernel do not filter VLANs",
                                  EOPNOTSUPP));
            return fail(std::move(made.error()).with_context("creating bridge " + plan.name));
        }
        TRY(out.index, index_of(plan.name));
    } else {
        out.index = found->index;
    }
    const auto undo = [&](Error error) {
        if (!out.existed) ignore_result(remove_link(plan.name), "the first error is the one to tell");
        return tl::unexpected<Error>(std::move(error));
    };
    for (const AddressFacts& facts : now.addresses)
        if (facts.index == out.index && out.existed) out.addresses.push_back(facts.address);
    MessageWriter change;
    for (const Prefix& address : plan.addresses) {
        if (std::find(out.addresses.begin(), out.addresses.end(), address) != out.addresses.end()) continue;
        if (plan.make) {
            // Another address of the same kind is from another time's options.
            for (const Prefix& old : out.addresses)
                if (old.address.is_v6() == address.address.is_v6() && !(old.address.is_v6() && old.length == 64 &&
                                                                        old.address.bytes()[0] == 0xfe))
                    remove_address(change, out.index, old);
        }
        add_address(change, out.index, address);
        out.addresses.push_back(address);
    }
    add_link_up(change, out.index);
    if (auto changed = route_.request(change); !changed)
        return undo(std::move(changed.error()).with_context("setting up bridge " + plan.name));
    const auto setting = [&](const std::string& path, const char* value, bool needed) -> Result<void> {
        auto written = write_setting(path, value);
        if (written || needed) return written;
        out.warnings.push_back(written.error().message());
        return {};
    };
    Result<void> set;
    if (plan.forward_v4) set = setting("net/ipv4/ip_forward", "1", false);
    if (set && plan.forward_v6) set = setting("net/ipv6/conf/all/forwarding", "1", false);
    if (set && plan.loopback_ports) set = setting("net/ipv4/conf/" + plan.name + "/route_localnet", "1", false);
    if (set && plan.make) set = setting("net/ipv6/conf/" + plan.name + "/accept_ra", "0", false);
    if (!set) return undo(std::move(set.error()).with_context("setting up bridge " + plan.name));
    if (plan.bridge_filter) set = setting("net/bridge/bridge-nf-call-iptables", "1", true);
    if (!set)
        return undo(std::move(set.error()).with_context(
            "filtering between the containers of bridge " + plan.name + " needs the kernel's br_netfilter"));
    return out;
}

Result<void> HostNetwork::remove_link(const std::string& name) {
    MessageWriter change;
    add_link_removal(change, name);
    auto removed = route_.request(change);
    if (!removed && removed.error().error_number() == ENODEV) return {};
    if (!removed) return fail(std::move(removed.error()).with_context("removing interface " + name));
    remove_all_further(name);
    return removed;
}

Result<void> HostNetwork::attach_one(const EndpointPlan& plan, int netns, NetlinkSocket& inside,
                                     bool replace_default) {
    if (plan.stacked.any()) return attach_stacked(plan, netns, inside, replace_default);
    std::uint32_t failed_at = 0;
    if (auto made = make_veth(plan, netns, &failed_at); !made) {
        if (failed_at > 1) ignore_result(remove_link(plan.veth.host_name), "the first error is the one to tell");
        return fail(attach_error(std::move(made.error()), plan));
    }
    Result<void> set;
    if (plan.vlan != 0) set = set_port_vlan(plan);
    if (set) set = set_up_inside(plan, inside, replace_default);
    if (!set) ignore_result(remove_link(plan.veth.host_name), "the first error is the one to tell");
    return set;
}

Result<void> HostNetwork::remove_inside(NetlinkSocket& inside, const std::string& name) {
    MessageWriter change;
    add_link_removal(change, name);
    auto removed = inside.request(change);
    if (removed) return removed;
    const bool absent = removed.error().error_number() == ENODEV;
    return fail(std::move(removed.error())
                    .with_context("removing interface " + name)
                    .with_kind(absent ? ErrorKind::not_found : ErrorKind::kernel));
}

Result<void> HostNetwork::set_up_inside(const EndpointPlan& plan, NetlinkSocket& inside, bool replace_default) {
    TRY(const std::uint32_t index, index_in(inside, plan.veth.inside_name));
    for (const bool v6 : {false, true}) {
        if (!replace_default || !(v6 ? plan.gateway_v6 : plan.gateway).valid()) continue;
        MessageWriter old;
        remove_default_route(old, v6);
        ignore_result(inside.request(old), "there may be none");
    }
    MessageWriter inner;
    add_link_up(inner, index);
    for (const Prefix& address : plan.addresses) add_address(inner, index, address);
    for (const RoutePlan& route : plan.routes) add_route(inner, index, route, route.destination.address.is_v6());
    if (plan.gateway.valid()) add_route(inner, index, {{}, plan.gateway, 0}, false);
    if (plan.gateway_v6.valid()) add_route(inner, index, {{}, plan.gateway_v6, 0}, true);
    if (auto set = inside.request(inner); !set)
        return fail(std::move(set.error()).with_context("setting up interface " + plan.veth.inside_name));
    return {};
}

Result<Attached> HostNetwork::attach(const AttachPlan& plan, int netns) {
    Attached out;
    const bool fresh = netns < 0;
    if (fresh) {
        TRY(out.netns, new_namespace(home_.get()));
        netns = out.netns.get();
    }
    std::optional<NetlinkSocket> inside;
    {
        TRY(const auto visit, Visit::enter(netns, home_.get()));
        TRY(auto socket, NetlinkSocket::open(NETLINK_ROUTE));
        inside.emplace(std::move(socket));
    }
    if (fresh) {
        MessageWriter loopback;
        add_link_up(loopback, loopback_index);
        TRY_VOID(inside->request(loopback));
    }
    std::vector<const EndpointPlan*> made;
    const auto undo = [&](Error error) {
        // A new namespace takes its links along when its last descriptor is closed; this is for those that stay.
        for (const EndpointPlan* each : made) {
            ignore_result(each->stacked.any() ? remove_inside(*inside, each->veth.inside_name)
                                              : remove_link(each->veth.host_name),
                          "the first error is the one to tell");
        }
        return tl::unexpected<Error>(std::move(error));
    };
    for (const EndpointPlan& endpoint : plan.endpoints) {
        if (auto attached = attach_one(endpoint, netns, *inside, plan.replace_default); !attached)
            return undo(std::move(attached.error()));
        made.push_back(&endpoint);
    }
    const bool settings = std::any_of(plan.endpoints.begin(), plan.endpoints.end(),
                                      [](const EndpointPlan& endpoint) { return !endpoint.settings.empty(); });
    if (!settings && !plan.resolver) return out;
    auto visit = Visit::enter(netns, home_.get());
    if (!visit) return undo(std::move(visit.error()));
    for (const EndpointPlan& endpoint : plan.endpoints) {
        for (const auto& [name, value] : endpoint.settings) {
            const std::string path = with_interface(name, endpoint.veth.inside_name);
            if (auto written = write_setting(path, value); !written) return undo(std::move(written.error()));
        }
    }
    if (plan.resolver) {
        auto sockets = make_resolver();
        if (!sockets) return undo(std::move(sockets.error()).with_context("setting up the container's name server"));
        out.resolver = std::move(*sockets);
    }
    return out;
}

Result<void> HostNetwork::detach(const DetachPlan& plan, int netns) {
    if (!plan.host_name.empty()) {
        TRY_VOID(remove_link(plan.host_name));
    }
    if (netns < 0 || (plan.gateway_link.empty() && !plan.host_name.empty())) return {};
    std::optional<NetlinkSocket> inside;
    {
        TRY(const auto visit, Visit::enter(netns, home_.get()));
        TRY(auto socket, NetlinkSocket::open(NETLINK_ROUTE));
        inside.emplace(std::move(socket));
    }
    if (plan.host_name.empty()) {
        TRY_VOID(remove_inside(*inside, plan.inside_name));
    }
    MessageWriter routes;
    std::uint32_t index = 0;
    if (plan.gateway.is_unspecified() || plan.gateway_v6.is_unspecified()) {
        TRY(index, index_in(*inside, plan.gateway_link));
    }
    if (plan.gateway.valid()) add_route(routes, index, {{}, plan.gateway, 0}, false);
    if (plan.gateway_v6.valid()) add_route(routes, index, {{}, plan.gateway_v6, 0}, true);
    if (routes.count() == 0) return {};
    return inside->request(routes);
}

Result<void> HostNetwork::firewall(const std::string& transaction) {
    if (!filter_) {
        // The worker before may not be gone yet.
        auto named = NetlinkSocket::open(NETLINK_NETFILTER, rules_port(getppid()));
        const bool taken = !named && named.error().error_number() == EADDRINUSE;
        auto opened = taken ? NetlinkSocket::open(NETLINK_NETFILTER) : std::move(named);
        if (!opened && lacks_nf_tables(opened.error()))
            return fail(Error(ErrorKind::not_implemented, "this kernel has no nf_tables", EPROTONOSUPPORT));
        if (!opened) return fail(std::move(opened.error()));
        filter_.emplace(std::move(*opened));
    }
    auto changed = filter_->batch(transaction);
    if (changed) return changed;
    if (lacks_nf_tables(changed.error()))
        return fail(Error(ErrorKind::not_implemented, "this kernel has no nf_tables for inet",
                          changed.error().error_number()));
    return fail(std::move(changed.error()).with_context("changing the nftables rules"));
}

Result<void> HostNetwork::settings(const Settings& settings) {
    for (const auto& [path, value] : settings) {
        TRY_VOID(write_setting(path, value));
    }
    return {};
}

Result<ResolverSockets> HostNetwork::resolver(int netns) {
    TRY(const auto visit, Visit::enter(netns, home_.get()));
    return make_resolver();
}

}  // namespace engine::net
