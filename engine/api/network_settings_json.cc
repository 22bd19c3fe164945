#include "engine/api/network_settings_json.h"

#include <algorithm>

#include "engine/net/networks.h"
#include "engine/runtime/container.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_view.h"

namespace engine::api {
namespace {

using net::Endpoint;
using runtime::Container;
using runtime::EndpointSettings;

// A default route by the link alone has no gateway.
std::string gateway_text(const net::Address& address) {
    return address.is_unspecified() ? std::string() : address.text();
}

void write_asked(json::Writer& w, const EndpointSettings& asked) {
    w.key("IPAMConfig");
    if (asked.has_ipam) {
        w.begin_object();
        if (!asked.v4.empty()) w.field("IPv4Address", asked.v4);
        if (!asked.v6.empty()) w.field("IPv6Address", asked.v6);
        if (!asked.link_local.empty()) w.field("LinkLocalIPs", asked.link_local);
        w.end_object();
    } else {
        w.null();
    }
    const auto list = [&w](std::string_view name, const std::vector<std::string>& values) {
        w.key(name);
        if (values.empty()) {
            w.null();
        } else {
            w.value(values);
        }
    };
    list("Links", asked.links);
    list("Aliases", asked.aliases);
    w.key("DriverOpts");
    if (asked.driver_options.empty()) {
        w.null();
    } else {
        w.value(asked.driver_options);
    }
    w.field("GwPriority", asked.gateway_priority);
}

// Stopped: what was asked, and no address.
void write_endpoint(json::Writer& w, const EndpointSettings& asked, const std::string& network_id,
                    const Endpoint* now) {
    w.begin_object();
    write_asked(w, asked);
    w.field("MacAddress", now ? now->hardware.text() : std::string()).field("NetworkID", network_id);
    w.field("EndpointID", now ? now->id : std::string());
    w.field("Gateway", now ? gateway_text(now->gateway) : std::string());
    w.field("IPAddress", now ? now->v4.address.text() : std::string()).field("IPPrefixLen", now ? now->v4.length : 0);
    w.field("IPv6Gateway", now ? gateway_text(now->gateway_v6) : std::string());
    w.field("GlobalIPv6Address", now ? now->v6.address.text() : std::string());
    w.field("GlobalIPv6PrefixLen", now ? now->v6.length : 0).key("DNSNames");
    if (now && !now->dns_names.empty()) {
        w.value(now->dns_names);
    } else {
        w.null();
    }
    w.end_object();
}

void write_network_map(json::Writer& w, const Services& services, const Container& c) {
    const runtime::ContainerNetwork& network = *c.network;
    w.key("Networks").begin_object();
    const auto id_of = [&](const std::string& name) {
        const auto found = services.networks->find(name);
        return found ? (*found)->id : std::string();
    };
    if (network.kind == runtime::NetworkKind::none || network.kind == runtime::NetworkKind::host) {
        const std::string name = runtime::network_name(c.spec);
        w.key(name);
        write_endpoint(w, {}, c.running() ? id_of(name) : std::string(), nullptr);
    }
    for (const EndpointSettings& asked : network.endpoints) {
        const auto found = services.networks->find(asked.network);
        const std::string id = found ? (*found)->id : std::string();
        const Endpoint* now = network.sandbox ? network.sandbox->on(id) : nullptr;
        w.key(found ? (*found)->spec.name : asked.network);
        write_endpoint(w, asked, id, now);
    }
    w.end_object();
}

bool same_port(const net::BoundPort& bound, const net::PortRequest& exposed) {
    return bound.published.to_port == exposed.container_port && bound.published.protocol == exposed.protocol;
}

void write_ports(json::Writer& w, const runtime::ContainerNetwork& network) {
    w.key("Ports").begin_object();
    for (const net::PortRequest& exposed : network.exposed) {
        std::string key;
        runtime::write_port_key(key, exposed);
        w.key(key);
        const auto& bound = network.sandbox->ports;
        if (std::none_of(bound.begin(), bound.end(), [&](const auto& port) { return same_port(port, exposed); })) {
            w.null();
            continue;
        }
        w.begin_array();
        for (const net::BoundPort& port : bound) {
            if (!same_port(port, exposed)) continue;
            w.begin_object().field("HostIp", port.published.host_address.text());
            w.field("HostPort", std::to_string(port.published.host_port)).end_object();
        }
        w.end_array();
    }
    w.end_object();
}

}  // namespace

void write_network_settings(json::Writer& w, const Services& services, const Container& c) {
    const runtime::ContainerNetwork& network = *c.network;
    const net::Sandbox* sandbox = network.sandbox.get();
    // The namespace is the container's own processes': there is no other name for it.
    const bool own = c.running() && network.kind != runtime::NetworkKind::container;
    const std::string id = sandbox ? sandbox->id : own ? network.sandbox_id : std::string();
    w.begin_object().field("Bridge", "").field("SandboxID", id);
    w.field("SandboxKey", own ? "/proc/" + std::to_string(c.state.pid) + "/ns/net" : std::string());
    if (sandbox) {
        write_ports(w, network);
    } else {
        w.key("Ports").begin_object().end_object();
    }
    w.field("HairpinMode", false).field("LinkLocalIPv6Address", "").field("LinkLocalIPv6PrefixLen", 0);
    w.field_null("SecondaryIPAddresses").field_null("SecondaryIPv6Addresses");
    // The fields of the time when there was one network are the default bridge's.
    const auto bridge = services.networks->find("bridge");
    const Endpoint* first = sandbox && bridge ? sandbox->on((*bridge)->id) : nullptr;
    w.field("EndpointID", first ? first->id : std::string());
    w.field("Gateway", first ? gateway_text(first->gateway) : std::string());
    w.field("GlobalIPv6Address", first ? first->v6.address.text() : std::string());
    w.field("GlobalIPv6PrefixLen", first ? first->v6.length : 0);
    w.field("IPAddress", first ? first->v4.address.text() : std::string());
    w.field("IPPrefixLen", first ? first->v4.length : 0);
    w.field("IPv6Gateway", first ? gateway_text(first->gateway_v6) : std::string());
    w.field("MacAddress", first ? first->hardware.text() : std::string());
    write_network_map(w, services, c);
    w.end_object();
}

void write_networks(json::Writer& w, const Services& services, const Container& c) {
    w.begin_object();
    write_network_map(w, services, c);
    w.end_object();
}

void write_port_list(json::Writer& w, const Container& c) {
    w.begin_array();
    if (const net::Sandbox* sandbox = c.network->sandbox.get()) {
        for (const net::BoundPort& port : sandbox->ports) {
            w.begin_object().field("IP", port.published.host_address.text());
            w.field("PrivatePort", port.published.to_port).field("PublicPort", port.published.host_port);
            w.field("Type", net::protocol_word(port.published.protocol)).end_object();
        }
        for (const net::PortRequest& exposed : c.network->exposed) {
            const auto& bound = sandbox->ports;
            if (std::any_of(bound.begin(), bound.end(), [&](const auto& port) { return same_port(port, exposed); }))
                continue;
            w.begin_object().field("PrivatePort", exposed.container_port);
            w.field("Type", net::protocol_word(exposed.protocol)).end_object();
        }
    }
    w.end_array();
}

}  // namespace engine::api
