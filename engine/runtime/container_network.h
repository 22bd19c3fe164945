// What a container asked of networks, and what it has while it runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/net/network.h"
#include "engine/reactor/result.h"

namespace engine::runtime {

struct ContainerSpec;

// One entry of NetworkingConfig.EndpointsConfig, as asked.
struct EndpointSettings {
    std::string network;   // name (or what was given for it)
    std::string v4, v6;    // IPAMConfig; "": the next free address
    std::vector<std::string> link_local;
    std::vector<std::string> aliases, links;
    std::string mac;
    std::map<std::string, std::string> driver_options;
    std::int64_t gateway_priority = 0;
    bool has_ipam = false;   // IPAMConfig was given, if only an empty one
};

struct LinkSpec {
    std::string container;   // name or id as given; once created, the id
    std::string alias;
    std::string name;        // the last that the container had
};

enum class NetworkKind : unsigned char { none, host, container, networks };

struct ContainerNetwork {
    NetworkKind kind = NetworkKind::none;
    std::string peer;                          // of `container`: name or id
    std::vector<EndpointSettings> endpoints;   // of `networks`; the first is the network mode's
    std::vector<net::PortRequest> ports;       // published by -p, and by -P of what is exposed
    std::vector<net::PortRequest> exposed;     // all ports known, for inspect: container_port and protocol
    std::vector<LinkSpec> links;               // of the default bridge; elsewhere they are an endpoint's
    std::vector<std::string> link_variables;   // while it runs: what tells of the links in its environment
    std::shared_ptr<net::Sandbox> sandbox;     // while it runs
    std::string sandbox_id;                    // of a running container with a namespace of its own but no networks
};

// From the create body; every text of it is checked here. `default_bridge`: what no network mode means.
Result<ContainerNetwork> parse_container_network(const ContainerSpec& spec, bool default_bridge);
// One EndpointSettings object, as in a connect request. "" or "null": nothing asked.
Result<EndpointSettings> parse_endpoint_settings(std::string_view json, std::string network);
// NetworkingConfig's text with these endpoints, for the row.
std::string networking_config_text(const std::vector<EndpointSettings>& endpoints);
void write_port_key(std::string& out, const net::PortRequest& port);   // "80/tcp"

// "db:alias", "db", or as inspect shows them, "/db:/web/alias".
Result<LinkSpec> parse_link(const std::string& text);

// "default" and "" are the default network.
bool is_default_mode(std::string_view mode);

}  // namespace engine::runtime
