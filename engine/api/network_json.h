// A network between Docker's JSON and ours.
#pragma once

#include "engine/api/api_version.h"
#include "engine/api/filters.h"
#include "engine/net/network.h"
#include "engine/reactor/json_writer.h"

namespace engine::api {

Result<net::NetworkSpec> parse_network_create(std::string_view body, ApiVersion version);
// `detailed`: with its containers, as inspect and old lists have it.
// The body of a plug request: Bridge or Parent, Vlan, Name, Address, Gateway, MacAddress, Routes.
Result<net::PlugRequest> parse_plug(std::string_view body);

void write_network(json::Writer& w, const net::Network& network, bool detailed);

// Does a network pass the filters of the list? `used`: a container, running or not, names it.
bool network_passes(const net::Network& network, const Filters& filters, bool used);
Result<void> check_network_filters(const Filters& filters);

}  // namespace engine::api
