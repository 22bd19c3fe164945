// What the engine asks of its net worker, and the bytes that carry it. Both ends are one binary: the bytes have no
// version. Pure.
//
//   engine -> worker   CallHeader, arguments (or, with kCallInMemfd, a memfd that holds them); a netns may come along
//   worker -> engine   AnswerHeader, an error's sentence or the result; descriptors may come along
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/net/address.h"
#include "engine/net/link_messages.h"
#include "engine/reactor/result.h"

namespace engine::net {

enum class Verb : std::uint32_t {
    survey = 1, make_bridge, make_link, remove_link, attach, detach, firewall, settings, resolver, forward_drops
};

struct CallHeader {
    std::uint64_t number;
    Verb verb;
    std::uint32_t flags;
};
constexpr std::uint32_t kCallInMemfd = 1;   // the first descriptor holds the arguments
constexpr std::uint32_t kCallHasNetns = 2;  // the last one is the namespace

struct AnswerHeader {
    std::uint64_t number;
    std::int32_t error_number;   // 0 with a kind of its own is possible: `kind` decides
    std::uint32_t kind;          // ErrorKind + 1; 0: done
    std::uint32_t flags;         // kCallInMemfd
    std::uint32_t reserved;
};

// The host as it is: what subnets must not overlap, which links there are.
struct Survey {
    std::vector<Prefix> routes;       // without default routes
    std::vector<AddressFacts> addresses;
    std::vector<LinkFacts> links;
};

struct BridgePlan {
    std::string name;
    HardwareAddress hardware;
    std::uint32_t mtu = 0;
    std::vector<Prefix> addresses;   // of the gateway
    bool make = true;                // false: somebody else's bridge, used as it is
    bool filters_vlans = false;      // made so; one that is there must
    bool bridge_filter = false;      // neighbours are filtered (--icc=false): frames must pass netfilter
    bool forward_v4 = true, forward_v6 = false;   // switch forwarding on
    bool loopback_ports = true;      // route_localnet
};
struct BridgeMade {
    std::uint32_t index = 0;
    std::vector<Prefix> addresses;   // of the bridge as it is now
    std::vector<std::string> warnings;
    bool existed = false;
};

struct EndpointPlan {
    VethPlan veth;
    std::string bridge;              // its index is looked up
    std::vector<Prefix> addresses;   // with the subnet's length
    std::vector<RoutePlan> routes;
    Address gateway, gateway_v6;     // none: no default route by this one; unspecified: by the link alone
    bool hairpin = true;
    bool may_widen = true;           // a full bridge goes on by another
    StackedLink stacked;             // where there is one, `bridge` is what it stands on; the veth's inside is its
    std::uint16_t vlan = 0;          // the bridge port's, untagged; 0: whichever the bridge gives
    std::vector<std::pair<std::string, std::string>> settings;  // sysctls inside, with IFNAME
};
// All endpoints of one container at once: in a new namespace, or in the one that comes along.
struct AttachPlan {
    std::vector<EndpointPlan> endpoints;
    bool replace_default = false;    // the default route there is goes first
    bool resolver = false;           // and the sockets of 127.0.0.11
};
struct DetachPlan {
    std::string host_name;           // "": there is none, `inside_name` is to go
    std::string inside_name;
    Address gateway, gateway_v6;     // the default route from now on, through another endpoint; as above
    std::string gateway_link;        // of its inside name
};
using Settings = std::vector<std::pair<std::string, std::string>>;  // path below /proc/sys, value

std::string pack(const Survey&);
std::string pack(const BridgePlan&);
std::string pack(const BridgeMade&);
std::string pack(const HostLinkPlan&);
std::string pack(const AttachPlan&);
std::string pack(const DetachPlan&);
std::string pack(const Settings&);
std::string pack(const std::vector<std::string>&);
std::string pack(const std::string&);

bool unpack(std::string_view bytes, Survey& out);
bool unpack(std::string_view bytes, BridgePlan& out);
bool unpack(std::string_view bytes, BridgeMade& out);
bool unpack(std::string_view bytes, HostLinkPlan& out);
bool unpack(std::string_view bytes, AttachPlan& out);
bool unpack(std::string_view bytes, DetachPlan& out);
bool unpack(std::string_view bytes, Settings& out);
bool unpack(std::string_view bytes, std::vector<std::string>& out);
bool unpack(std::string_view bytes, std::string& out);

}  // namespace engine::net
