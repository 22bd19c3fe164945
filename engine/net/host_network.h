// What the net worker does, verb by verb: plain blocking code over netlink. Whatever fails undoes what it had made.
// Only ever called in the worker's process (and by tests in a namespace of their own).
#pragma once

#include <map>
#include <optional>

#include "engine/net/net_call.h"
#include "engine/net/netlink_socket.h"

namespace engine::net {

struct ResolverSockets {
    UniqueFd udp, tcp;
};
struct Attached {
    UniqueFd netns;            // of a new namespace
    ResolverSockets resolver;  // when asked for
};

// The interface that a bridge goes on by when its ports are used up; from 1 on.
std::string further_bridge(const std::string& bridge, unsigned number);

class HostNetwork {
public:
    static Result<HostNetwork> open();

    Result<Survey> survey();
    Result<BridgeMade> make_bridge(const BridgePlan& plan);
    Result<void> make_link(const HostLinkPlan& plan);    // one that is there, of that kind, is fine
    Result<void> remove_link(const std::string& name);   // one that is not there is fine
    // netns: -1: a new one.
    Result<Attached> attach(const AttachPlan& plan, int netns);
    Result<void> detach(const DetachPlan& plan, int netns);
    Result<void> firewall(const std::string& transaction);
    Result<void> settings(const Settings& settings);
    Result<ResolverSockets> resolver(int netns);

private:
    HostNetwork(NetlinkSocket route, UniqueFd home) : route_(std::move(route)), home_(std::move(home)) {}
    static Result<std::uint32_t> index_in(NetlinkSocket& socket, const std::string& name);
    Result<std::uint32_t> index_of(const std::string& name);
    Result<void> attach_one(const EndpointPlan& plan, int netns, NetlinkSocket& inside, bool replace_default);
    static Result<void> remove_inside(NetlinkSocket& inside, const std::string& name);
    // host_links.cc
    Result<void> join_overlay(const HostLinkPlan& plan);
    Result<void> attach_stacked(const EndpointPlan& plan, int netns, NetlinkSocket& inside, bool replace_default);
    Result<void> set_port_vlan(const EndpointPlan& plan);
    // wide_bridge.cc
    Result<void> make_veth(const EndpointPlan& plan, int netns, std::uint32_t* failed_at);
    Result<std::uint32_t> further_index(const std::string& bridge, std::uint32_t main, unsigned number);
    Result<std::uint32_t> make_further(const std::string& bridge, std::uint32_t main, unsigned number);
    void remove_further(const std::string& bridge, unsigned number);
    void remove_all_further(const std::string& bridge);
    Result<void> set_up_inside(const EndpointPlan& plan, NetlinkSocket& inside, bool replace_default);

    NetlinkSocket route_;
    std::optional<NetlinkSocket> filter_;
    UniqueFd home_;   // the engine's network namespace
    std::map<std::string, unsigned> filling_;   // by bridge: which of its further ones took the last port; 0: itself
};

}  // namespace engine::net
