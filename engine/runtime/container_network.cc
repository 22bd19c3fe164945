#include "engine/runtime/container_network.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {
namespace {

using simdjson::dom::element;

tl::unexpected<Error> bad(std::string message) {
    return fail(ErrorKind::invalid, std::move(message));
}

std::string text_of(element object, const char* name) {
    std::string_view out;
    return object[name].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
}
std::vector<std::string> texts_of(element object, const char* name) {
    std::vector<std::string> out;
    simdjson::dom::array list;
    if (object[name].get(list) != simdjson::SUCCESS) return out;
    for (const element item : list) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS) out.emplace_back(text);
    }
    return out;
}

Result<EndpointSettings> read_endpoint(element object, std::string network) {
    EndpointSettings out;
    out.network = std::move(network);
    if (!object.is_object()) return out;
    element ipam;
    if (object["IPAMConfig"].get(ipam) == simdjson::SUCCESS && ipam.is_object()) {
        out.has_ipam = true;
        out.v4 = text_of(ipam, "IPv4Address");
        out.v6 = text_of(ipam, "IPv6Address");
        out.link_local = texts_of(ipam, "LinkLocalIPs");
    }
    out.aliases = texts_of(object, "Aliases");
    out.links = texts_of(object, "Links");
    out.mac = text_of(object, "MacAddress");
    std::int64_t priority = 0;
    if (object["GwPriority"].get(priority) == simdjson::SUCCESS) out.gateway_priority = priority;
    simdjson::dom::object options;
    if (object["DriverOpts"].get(options) == simdjson::SUCCESS)
        for (const auto item : options) {
            std::string_view value;
            if (item.value.get(value) == simdjson::SUCCESS) out.driver_options[std::string(item.key)] = value;
        }
    const auto check = [](const std::string& text, bool v6) -> Result<void> {
        const auto address = net::Address::parse(text);
        if (text.empty() || (address && address->is_v6() == v6 && !address->is_unspecified())) return {};
        return bad(std::string("invalid endpoint settings:\ninvalid ") + (v6 ? "IPv6" : "IPv4") + " address: " + text);
    };
    TRY_VOID(check(out.v4, false));
    TRY_VOID(check(out.v6, true));
    if (!out.mac.empty() && !net::HardwareAddress::parse(out.mac))
        return bad("invalid endpoint settings:\ninvalid MAC address " + out.mac);
    return out;
}

std::optional<std::uint16_t> port_number(std::string_view text) {
    unsigned value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || value > 65535)
        return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

struct PortRange {
    std::uint16_t first = 0, last = 0;
};
std::optional<PortRange> port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = port_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    return PortRange{*first, *last};
}

// "80", "80/tcp", "8000-8010/udp": one request for each port.
Result<std::vector<net::PortRequest>> exposed_ports(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string word = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
    const auto protocol = net::parse_protocol(word);
    const auto range = port_range(std::string_view(text).substr(0, slash));
    if (!range || range->first == 0) return bad("invalid port specification: \"" + text + "\"");
    if (!protocol) return bad("invalid port specification: \"" + text + "\": invalid protocol: " + word);
    std::vector<net::PortRequest> out;
    for (unsigned port = range->first; port <= range->last; ++port) {
        net::PortRequest& request = out.emplace_back();
        request.container_port = static_cast<std::uint16_t>(port);
        request.protocol = *protocol;
    }
    return out;
}

void remember_exposed(ContainerNetwork& out, const net::PortRequest& port) {
    const auto same = [&](const net::PortRequest& other) {
        return other.container_port == port.container_port && other.protocol == port.protocol;
    };
    if (std::none_of(out.exposed.begin(), out.exposed.end(), same)) out.exposed.push_back(port);
}

Result<void> read_binding(element object, const net::PortRequest& port, ContainerNetwork& out) {
    net::PortRequest request = port;
    const std::string host = text_of(object, "HostIp");
    if (!host.empty()) {
        const auto address = net::Address::parse(host.front() == '[' ? host.substr(1, host.size() - 2) : host);
        if (!address) return bad("invalid IP address: " + host);
        request.host_address = *address;
    }
    std::string number = text_of(object, "HostPort");
    number = number.substr(0, number.find('/'));
    if (!number.empty()) {
        const auto range = port_range(number);
        if (!range) return bad("invalid port specification: \"" + number + "\"");
        request.host_first = range->first;
        request.host_last = range->last;
    }
    out.ports.push_back(request);
    return {};
}

Result<void> read_ports(element host, const ContainerSpec& spec, ContainerNetwork& out) {
    for (const std::string& text : spec.exposed_ports) {
        TRY(const auto ports, exposed_ports(text));
        for (const net::PortRequest& port : ports) remember_exposed(out, port);
    }
    simdjson::dom::object bindings;
    if (host["PortBindings"].get(bindings) == simdjson::SUCCESS) {
        for (const auto item : bindings) {
            TRY(const auto ports, exposed_ports(std::string(item.key)));
            simdjson::dom::array list;
            for (const net::PortRequest& port : ports) {
                remember_exposed(out, port);
                if (item.value.get(list) != simdjson::SUCCESS) continue;
                for (const element binding : list) {
                    TRY_VOID(read_binding(binding, port, out));
                }
            }
        }
    }
    std::sort(out.exposed.begin(), out.exposed.end(), [](const net::PortRequest& a, const net::PortRequest& b) {
        return std::pair(a.container_port, a.protocol) < std::pair(b.container_port, b.protocol);
    });
    // Fixed numbers first: a range must not take what another binding asks for by name.
    std::stable_sort(out.ports.begin(), out.ports.end(), [](const net::PortRequest& a, const net::PortRequest& b) {
        const auto loose = [](const net::PortRequest& p) {
            return p.host_first == 0 ? 65536 : p.host_last - p.host_first;
        };
        return loose(a) < loose(b);
    });
    if (!spec.publish_all_ports) return {};
    for (const net::PortRequest& port : out.exposed) {
        const auto same = [&](const net::PortRequest& other) {
            return other.container_port == port.container_port && other.protocol == port.protocol;
        };
        if (std::none_of(out.ports.begin(), out.ports.end(), same)) out.ports.push_back(port);
    }
    return {};
}

Result<void> read_links(element host, ContainerNetwork& out) {
    for (const std::string& text : texts_of(host, "Links")) {
        TRY(auto link, parse_link(text));
        const auto same = [&](const LinkSpec& other) { return other.alias == link.alias; };
        if (std::none_of(out.links.begin(), out.links.end(), same)) out.links.push_back(std::move(link));
    }
    return {};
}

// What a shared namespace leaves no room for, in the words of dockerd's option checks.
Result<void> check_container_mode(const ContainerSpec& spec, const ContainerNetwork& network, element config) {
    if (!network.links.empty())
        return bad(
            "conflicting options: container type network can't be used with links. This would result in undefined "
            "behavior");
    if (!spec.dns.empty()) return bad("conflicting options: dns and the network mode");
    if (!spec.extra_hosts.empty()) return bad("conflicting options: custom host-to-IP mapping and the network mode");
    if (!text_of(config, "MacAddress").empty()) return bad("conflicting options: mac-address and the network mode");
    if (!network.ports.empty() || spec.publish_all_ports)
        return bad("conflicting options: port publishing and the container type network mode");
    if (!network.exposed.empty() && !text_of(config, "Hostname").empty())
        return bad("conflicting options: port exposing and the container type network mode");
    return {};
}

Result<void> read_endpoints(element root, const std::string& mode, ContainerNetwork& out) {
    simdjson::dom::object endpoints;
    if (root["EndpointsConfig"].get(endpoints) == simdjson::SUCCESS) {
        for (const auto item : endpoints) {
            std::string name(item.key);
            if (is_default_mode(name)) name = "bridge";
            TRY(auto settings, read_endpoint(item.value, std::move(name)));
            out.endpoints.push_back(std::move(settings));
        }
    }
    // Written by networking_config_text(): these are all, the mode's own may have been left.
    bool all = false;
    if (root["All"].get(all) == simdjson::SUCCESS && all) return {};
    const auto primary = std::find_if(out.endpoints.begin(), out.endpoints.end(),
                                      [&](const EndpointSettings& each) { return each.network == mode; });
    if (primary == out.endpoints.end()) {
        EndpointSettings settings;
        settings.network = mode;
        out.endpoints.insert(out.endpoints.begin(), std::move(settings));
    } else {
        std::rotate(out.endpoints.begin(), primary, primary + 1);
    }
    return {};
}

}  // namespace

Result<LinkSpec> parse_link(const std::string& text) {
    const std::size_t colon = text.find(':');
    LinkSpec link;
    link.container = text.substr(0, colon);
    link.alias = colon == std::string::npos ? link.container : text.substr(colon + 1);
    if (const std::size_t slash = link.alias.rfind('/'); slash != std::string::npos)
        link.alias = link.alias.substr(slash + 1);
    if (link.container.starts_with('/')) link.container.erase(0, 1);
    if (text.empty()) return bad("empty string specified for links");
    if (link.container.empty() || link.alias.empty() || text.find(':', colon + 1) != std::string::npos)
        return bad("bad format for links: " + text);
    link.name = link.container;
    return link;
}

bool is_default_mode(std::string_view mode) {
    return mode.empty() || mode == "default";
}

Result<ContainerNetwork> parse_container_network(const ContainerSpec& spec, bool default_bridge) {
    ContainerNetwork out;
    simdjson::dom::parser host_parser, config_parser, network_parser;
    element host, config, network;
    if (host_parser.parse(spec.host_config_json).get(host) != simdjson::SUCCESS ||
        config_parser.parse(spec.config_json).get(config) != simdjson::SUCCESS ||
        network_parser.parse(spec.networking_config_json).get(network) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "the container's networking cannot be read");
    TRY_VOID(read_ports(host, spec, out));
    TRY_VOID(read_links(host, out));
    const std::string mode = is_default_mode(spec.network_mode) ? "bridge" : spec.network_mode;
    if (spec.network_disabled || mode == "none" || (mode == "bridge" && !default_bridge)) return out;
    if (mode == "host") {
        out.kind = NetworkKind::host;
        if (!out.links.empty())
            return bad(
                "conflicting options: host type networking can't be used with links. This would result in undefined "
                "behavior");
        return out;
    }
    if (mode.starts_with("container:")) {
        out.kind = NetworkKind::container;
        out.peer = mode.substr(10);
        if (out.peer.empty()) return bad("Invalid network mode: invalid container format container:<name|id>");
        TRY_VOID(check_container_mode(spec, out, config));
        return out;
    }
    out.kind = NetworkKind::networks;
    if (mode != "bridge") out.links.clear();
    TRY_VOID(read_endpoints(network, mode, out));
    if (out.endpoints.empty()) return out;
    EndpointSettings& primary = out.endpoints.front();
    if (primary.mac.empty()) primary.mac = text_of(config, "MacAddress");
    if (!primary.mac.empty() && !net::HardwareAddress::parse(primary.mac))
        return bad("invalid MAC address: " + primary.mac);
    for (const EndpointSettings& each : out.endpoints) {
        if (each.network != "bridge") continue;
        if (!each.v4.empty() || !each.v6.empty())
            return bad(
                "invalid endpoint settings:\nuser specified IP address is supported on user defined networks only");
        if (!each.aliases.empty())
            return bad(
                "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined "
                "networks");
    }
    return out;
}

Result<EndpointSettings> parse_endpoint_settings(std::string_view json, std::string network) {
    EndpointSettings out;
    out.network = network;
    if (json.empty() || json == "null") return out;
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS)
        return bad("invalid JSON: the endpoint's settings cannot be read");
    return read_endpoint(root, std::move(network));
}

std::string networking_config_text(const std::vector<EndpointSettings>& endpoints) {
    json::Writer w;
    w.begin_object().key("EndpointsConfig").begin_object();
    for (const EndpointSettings& each : endpoints) {
        w.key(each.network).begin_object();
        if (each.has_ipam) {
            w.key("IPAMConfig").begin_object();
            if (!each.v4.empty()) w.field("IPv4Address", each.v4);
            if (!each.v6.empty()) w.field("IPv6Address", each.v6);
            if (!each.link_local.empty()) w.field("LinkLocalIPs", each.link_local);
            w.end_object();
        }
        if (!each.aliases.empty()) w.field("Aliases", each.aliases);
        if (!each.links.empty()) w.field("Links", each.links);
        if (!each.driver_options.empty()) w.field("DriverOpts", each.driver_options);
        w.field("MacAddress", each.mac).field("GwPriority", each.gateway_priority).end_object();
    }
    return w.end_object().field("All", true).end_object().take();
}

void write_port_key(std::string& out, const net::PortRequest& port) {
    out += std::to_string(port.container_port) + "/" + std::string(net::protocol_word(port.protocol));
}

}  // namespace engine::runtime
