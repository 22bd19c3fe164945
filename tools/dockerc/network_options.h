// The options of run and create that concern networks, and their part of the create body.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/json_writer.h"
#include "tools/dockerc/command.h"

namespace dockerc {

struct NetworkOptions {
    std::vector<std::string> publish, expose, aliases, dns, dns_search, dns_options, hosts, links, sysctls;
    std::string ip, ip6, mac, domainname;
    bool publish_all = false;
};

// One port of the container and where it is published; host_port "": the engine picks one.
struct PublishedPort {
    std::string container;   // "80/tcp"
    std::string host_ip, host_port;
};
// "ip:host:container/proto", each part but the last may be missing; ranges give several.
Result<std::vector<PublishedPort>> parse_publish(const std::string& text);

void add_network_options(CommandLine& line, NetworkOptions& options);
// Into Config, into HostConfig, and NetworkingConfig beside them. `network`: the one asked for.
Result<void> write_network_config(engine::json::Writer& json, const NetworkOptions& options);
Result<void> write_port_bindings(engine::json::Writer& json, const std::vector<std::string>& publish);
Result<void> write_network_host_config(engine::json::Writer& json, const NetworkOptions& options);
void write_networking_config(engine::json::Writer& json, const NetworkOptions& options, const std::string& network);

}  // namespace dockerc
