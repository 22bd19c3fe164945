#include "engine/net/network_text.h"

#include <simdjson.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

using simdjson::dom::element;

void write_subnets(json::Writer& w, const Network& network) {
    w.key("subnets").begin_array();
    for (const Subnet& subnet : network.subnets) {
        w.begin_object().field("prefix", subnet.prefix.text()).field("gateway", subnet.gateway.text());
        w.field("range", subnet.range.valid() ? subnet.range.text() : std::string());
        w.field("aux", subnet.auxiliary).field("asked", subnet.asked).end_object();
    }
    w.end_array();
}

std::string text_of(element object, const char* name) {
    std::string_view out;
    if (object[name].get(out) != simdjson::SUCCESS) return {};
    return std::string(out);
}
bool bool_of(element object, const char* name) {
    bool out = false;
    return object[name].get(out) == simdjson::SUCCESS && out;
}
std::int64_t number_of(element object, const char* name) {
    std::int64_t out = 0;
    return object[name].get(out) == simdjson::SUCCESS ? out : 0;
}
StringMap map_of(element object, const char* name) {
    StringMap out;
    simdjson::dom::object map;
    if (object[name].get(map) != simdjson::SUCCESS) return out;
    for (const auto item : map) {
        std::string_view value;
        if (item.value.get(value) == simdjson::SUCCESS) out[std::string(item.key)] = std::string(value);
    }
    return out;
}
template <class F>
void each(element object, const char* name, F&& take) {
    simdjson::dom::array list;
    if (object[name].get(list) != simdjson::SUCCESS) return;
    for (const element item : list) take(item);
}

Address address_of(element object, const char* name) {
    return Address::parse(text_of(object, name)).value_or(Address());
}
Prefix prefix_of(element object, const char* name) {
    return Prefix::parse(text_of(object, name)).value_or(Prefix());
}

std::string text_of(const Prefix& prefix) { return prefix.valid() ? prefix.text() : std::string(); }

void write_endpoint(json::Writer& w, const Endpoint& endpoint) {
    w.begin_object().field("id", endpoint.id).field("network", endpoint.network_id);
    w.field("mac", endpoint.hardware.text()).field("v4", text_of(endpoint.v4)).field("v6", text_of(endpoint.v6));
    w.field("gateway", endpoint.gateway.text()).field("gateway6", endpoint.gateway_v6.text());
    w.field("link", endpoint.host_link).field("inside", endpoint.inside_link);
    w.field("priority", endpoint.gateway_priority).field("names", endpoint.dns_names);
    w.key("links").begin_array();
    for (const auto& [alias, target] : endpoint.links)
        w.begin_object().field("alias", alias).field("to", target).end_object();
    w.end_array().end_object();
}

std::shared_ptr<Endpoint> read_endpoint(element object, const Sandbox& sandbox) {
    auto out = std::make_shared<Endpoint>();
    out->id = text_of(object, "id");
    out->network_id = text_of(object, "network");
    out->container_id = sandbox.container_id;
    out->container_name = sandbox.container_name;
    out->hardware = HardwareAddress::parse(text_of(object, "mac")).value_or(HardwareAddress());
    out->v4 = prefix_of(object, "v4");
    out->v6 = prefix_of(object, "v6");
    out->gateway = address_of(object, "gateway");
    out->gateway_v6 = address_of(object, "gateway6");
    out->host_link = text_of(object, "link");
    out->inside_link = text_of(object, "inside");
    out->gateway_priority = number_of(object, "priority");
    each(object, "names", [&](element name) {
        std::string_view value;
        if (name.get(value) == simdjson::SUCCESS) out->dns_names.emplace_back(value);
    });
    each(object, "links",
         [&](element link) { out->links.emplace_back(text_of(link, "alias"), text_of(link, "to")); });
    return out;
}

void write_requests(json::Writer& w, const Sandbox& sandbox) {
    w.key("asked").begin_array();
    for (const PortRequest& request : sandbox.requests) {
        w.begin_object().field("port", request.container_port).field("host", request.host_address.text());
        w.field("protocol", protocol_word(request.protocol)).field("first", request.host_first);
        w.field("last", request.host_last).end_object();
    }
    w.end_array();
}

}  // namespace

std::string network_text(const Network& network) {
    const NetworkSpec& spec = network.spec;
    json::Writer w;
    w.begin_object().field("id", network.id).field("name", spec.name).field("driver", spec.driver);
    w.field("created", network.created_at).field("predefined", network.predefined).field("bridge", network.bridge);
    w.field("options", spec.options).field("labels", spec.labels).field("internal", spec.internal);
    w.field("attachable", spec.attachable).field("ipv4", spec.ipv4).field("ipv6", spec.ipv6);
    w.field("ipam_driver", spec.ipam_driver);
    if (spec.ipam_options) w.field("ipam_options", *spec.ipam_options);
    w.key("ipam").begin_array();
    for (const IpamConfig& config : spec.ipam) {
        w.begin_object().field("subnet", config.subnet).field("range", config.range).field("gateway", config.gateway);
        w.field("aux", config.auxiliary).end_object();
    }
    w.end_array();
    write_subnets(w, network);
    if (network.parent_made) w.field("parent_made", true);
    return w.end_object().take();
}

Result<std::shared_ptr<Network>> parse_network(const std::string& text) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::internal, "a network's row cannot be read");
    auto out = std::make_shared<Network>();
    NetworkSpec& spec = out->spec;
    out->id = text_of(root, "id");
    out->created_at = number_of(root, "created");
    out->predefined = bool_of(root, "predefined");
    out->bridge = text_of(root, "bridge");
    out->parent_made = bool_of(root, "parent_made");
    spec.name = text_of(root, "name");
    spec.driver = text_of(root, "driver");
    spec.options = map_of(root, "options");
    spec.labels = map_of(root, "labels");
    spec.internal = bool_of(root, "internal");
    spec.attachable = bool_of(root, "attachable");
    spec.ipv4 = bool_of(root, "ipv4");
    spec.ipv6 = bool_of(root, "ipv6");
    spec.ipam_driver = text_of(root, "ipam_driver");
    if (element given; root["ipam_options"].get(given) == simdjson::SUCCESS)
        spec.ipam_options = map_of(root, "ipam_options");
    each(root, "ipam", [&](element item) {
        spec.ipam.push_back(
            {text_of(item, "subnet"), text_of(item, "range"), text_of(item, "gateway"), map_of(item, "aux")});
    });
    each(root, "subnets", [&](element item) {
        Subnet subnet;
        subnet.prefix = prefix_of(item, "prefix");
        subnet.range = prefix_of(item, "range");
        subnet.gateway = address_of(item, "gateway");
        subnet.auxiliary = map_of(item, "aux");
        subnet.asked = bool_of(item, "asked");
        if (subnet.prefix.valid()) out->subnets.push_back(std::move(subnet));
    });
    if (out->id.empty() || spec.name.empty()) return fail(ErrorKind::internal, "a network's row cannot be read");
    return out;
}

std::string sandbox_text(const Sandbox& sandbox) {
    json::Writer w;
    w.begin_object().field("id", sandbox.id).field("container", sandbox.container_id);
    w.field("name", sandbox.container_name).field("hostname", sandbox.hostname).key("endpoints").begin_array();
    for (const auto& endpoint : sandbox.endpoints) write_endpoint(w, *endpoint);
    w.end_array();
    write_requests(w, sandbox);
    w.field("upstreams", sandbox.upstreams).key("ports").begin_array();
    for (const BoundPort& port : sandbox.ports) {
        const PublishedPort& p = port.published;
        w.begin_object().field("host", p.host_address.text()).field("host_port", p.host_port);
        w.field("protocol", protocol_word(p.protocol)).field("to", p.to.text()).field("port", p.to_port).end_object();
    }
    return w.end_array().end_object().take();
}

Result<std::shared_ptr<Sandbox>> parse_sandbox(const std::string& text) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::internal, "a container's network state cannot be read");
    auto out = std::make_shared<Sandbox>();
    out->id = text_of(root, "id");
    out->container_id = text_of(root, "container");
    out->container_name = text_of(root, "name");
    out->hostname = text_of(root, "hostname");
    each(root, "endpoints", [&](element item) { out->endpoints.push_back(read_endpoint(item, *out)); });
    each(root, "upstreams", [&](element item) {
        std::string_view value;
        if (item.get(value) == simdjson::SUCCESS) out->upstreams.emplace_back(value);
    });
    each(root, "asked", [&](element item) {
        PortRequest request;
        request.container_port = static_cast<std::uint16_t>(number_of(item, "port"));
        request.host_address = address_of(item, "host");
        request.protocol = parse_protocol(text_of(item, "protocol")).value_or(Protocol::tcp);
        request.host_first = static_cast<std::uint16_t>(number_of(item, "first"));
        request.host_last = static_cast<std::uint16_t>(number_of(item, "last"));
        out->requests.push_back(request);
    });
    each(root, "ports", [&](element item) {
        BoundPort port;
        port.published.host_address = address_of(item, "host");
        port.published.host_port = static_cast<std::uint16_t>(number_of(item, "host_port"));
        port.published.protocol = parse_protocol(text_of(item, "protocol")).value_or(Protocol::tcp);
        port.published.to = address_of(item, "to");
        port.published.to_port = static_cast<std::uint16_t>(number_of(item, "port"));
        out->ports.push_back(std::move(port));
    });
    if (out->id.empty()) return fail(ErrorKind::internal, "a container's network state cannot be read");
    return out;
}

}  // namespace engine::net
