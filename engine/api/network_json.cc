#include "engine/api/network_json.h"

#include <simdjson.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/runtime/go_time.h"

namespace engine::api {
namespace {

using simdjson::dom::element;

constexpr ApiVersion host_bits_refused_since{1, 44};
constexpr ApiVersion ipv4_asked{1, 48};

tl::unexpected<Error> wrong(const char* field, const char* type) {
    return fail(ErrorKind::invalid,
                std::string("invalid JSON: json: cannot unmarshal into Go struct field CreateRequest.") + field +
                    " of type " + type);
}

bool has(element object, const char* name, element& value) {
    return object[name].get(value) == simdjson::SUCCESS && !value.is_null();
}

Result<void> read(element object, const char* name, std::string& out) {
    element value;
    std::string_view text;
    if (!has(object, name, value)) return {};
    if (value.get(text) != simdjson::SUCCESS) return wrong(name, "string");
    out = std::string(text);
    return {};
}
Result<void> read(element object, const char* name, bool& out) {
    element value;
    if (!has(object, name, value)) return {};
    if (value.get(out) != simdjson::SUCCESS) return wrong(name, "bool");
    return {};
}
Result<void> read(element object, const char* name, std::optional<std::int64_t>& out) {
    element value;
    std::int64_t number = 0;
    if (!has(object, name, value)) return {};
    if (value.get(number) != simdjson::SUCCESS) return wrong(name, "int");
    out = number;
    return {};
}
Result<void> read(element object, const char* name, net::StringMap& out) {
    element value;
    simdjson::dom::object map;
    if (!has(object, name, value)) return {};
    if (value.get(map) != simdjson::SUCCESS) return wrong(name, "map[string]string");
    for (const auto item : map) {
        std::string_view text;
        if (item.value.get(text) != simdjson::SUCCESS) return wrong(name, "map[string]string");
        out[std::string(item.key)] = std::string(text);
    }
    return {};
}

// "10.0.0.1/24" for "10.0.0.0/24" was no error to older daemons.
std::string without_host_bits(const std::string& text) {
    const auto prefix = net::Prefix::parse(text);
    return prefix ? prefix->network().text() : text;
}

Result<void> read_ipam(element ipam, ApiVersion version, net::NetworkSpec& spec) {
    std::string driver;
    TRY_VOID(read(ipam, "Driver", driver));
    if (!driver.empty()) spec.ipam_driver = driver;
    if (element given; has(ipam, "Options", given)) {
        spec.ipam_options.emplace();
        TRY_VOID(read(ipam, "Options", *spec.ipam_options));
    }
    element configs;
    simdjson::dom::array list;
    if (!has(ipam, "Config", configs)) return {};
    if (configs.get(list) != simdjson::SUCCESS) return wrong("IPAM.Config", "[]network.IPAMConfig");
    for (const element item : list) {
        net::IpamConfig config;
        TRY_VOID(read(item, "Subnet", config.subnet));
        TRY_VOID(read(item, "IPRange", config.range));
        TRY_VOID(read(item, "Gateway", config.gateway));
        TRY_VOID(read(item, "AuxiliaryAddresses", config.auxiliary));
        if (version < host_bits_refused_since) {
            config.subnet = without_host_bits(config.subnet);
            config.range = without_host_bits(config.range);
        }
        spec.ipam.push_back(std::move(config));
    }
    return {};
}

// What was asked, with what was chosen where nothing was asked.
void write_ipam(json::Writer& w, const net::Network& network) {
    w.key("IPAM").begin_object().field("Driver", network.spec.ipam_driver).key("Options");
    if (network.spec.ipam_options) {
        w.value(*network.spec.ipam_options);
    } else {
        w.null();
    }
    w.key("Config");
    if (!network.has_endpoints()) {
        w.null().end_object();
        return;
    }
    w.begin_array();
    for (const net::Subnet& subnet : network.subnets) {
        w.begin_object().field("Subnet", subnet.prefix.text());
        if (subnet.range.valid()) w.field("IPRange", subnet.range.text());
        if (subnet.gateway.valid()) w.field("Gateway", subnet.gateway.text());
        if (!subnet.auxiliary.empty()) w.field("AuxiliaryAddresses", subnet.auxiliary);
        w.end_object();
    }
    w.end_array().end_object();
}

void write_containers(json::Writer& w, const net::Network& network) {
    w.key("Containers").begin_object();
    for (const auto& [id, endpoint] : network.endpoints) {
        w.key(id).begin_object().field("Name", endpoint->container_name).field("EndpointID", endpoint->id);
        w.field("MacAddress", endpoint->hardware.text());
        w.field("IPv4Address", endpoint->v4.valid() ? endpoint->v4.text() : std::string());
        w.field("IPv6Address", endpoint->v6.valid() ? endpoint->v6.text() : std::string()).end_object();
    }
    w.end_object();
}

}  // namespace

Result<net::NetworkSpec> parse_network_create(std::string_view body, ApiVersion version) {
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
    simdjson::dom::parser parser;
    element root;
    if (auto error = parser.parse(body.data(), body.size()).get(root); error != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, std::string("invalid JSON: ") + simdjson::error_message(error));
    if (!root.is_object()) return fail(ErrorKind::invalid, "invalid JSON: a network is an object");
    net::NetworkSpec spec;
    std::string driver, scope;
    TRY_VOID(read(root, "Name", spec.name));
    TRY_VOID(read(root, "Driver", driver));
    if (!driver.empty() && driver != "default") spec.driver = driver;
    TRY_VOID(read(root, "Scope", scope));
    TRY_VOID(read(root, "Internal", spec.internal));
    TRY_VOID(read(root, "Attachable", spec.attachable));
    TRY_VOID(read(root, "EnableIPv6", spec.ipv6));
    if (version >= ipv4_asked) {
        TRY_VOID(read(root, "EnableIPv4", spec.ipv4));
    }
    TRY_VOID(read(root, "Options", spec.options));
    TRY_VOID(read(root, "Labels", spec.labels));
    element ipam;
    if (has(root, "IPAM", ipam)) {
        TRY_VOID(read_ipam(ipam, version, spec));
    }
    bool ingress = false;
    bool config_only = false;
    TRY_VOID(read(root, "Ingress", ingress));
    TRY_VOID(read(root, "ConfigOnly", config_only));
    if (ingress || scope == "swarm" || spec.driver == "overlay")
        return fail(ErrorKind::forbidden,
                    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                    "join\" to connect this node to swarm and try again.");
    if (config_only)
        return fail(ErrorKind::not_implemented, "configuration-only networks are not supported by this engine");
    return spec;
}

namespace {

Result<net::Address> address_of(const std::string& text, const char* what) {
    if (text.empty()) return net::Address();
    const auto address = net::Address::parse(text);
    if (!address) return fail(ErrorKind::invalid, std::string("invalid ") + what + ": " + text);
    return *address;
}

Result<net::Prefix> prefix_of(const std::string& text, const char* what) {
    const auto prefix = net::Prefix::parse(text);
    if (!prefix)
        return fail(ErrorKind::invalid, std::string("invalid ") + what + ": '" + text + "' is not ADDRESS/LENGTH");
    return *prefix;
}

}  // namespace

Result<net::PlugRequest> parse_plug(std::string_view body) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::invalid, "invalid JSON: what to plug in is an object");
    net::PlugRequest out;
    std::string address, gateway, hardware;
    out.name = "eth1";
    TRY_VOID(read(root, "Bridge", out.bridge));
    TRY_VOID(read(root, "Parent", out.parent));
    TRY_VOID(read(root, "Vlan", out.vlan));
    TRY_VOID(read(root, "Name", out.name));
    TRY_VOID(read(root, "Address", address));
    TRY_VOID(read(root, "Gateway", gateway));
    TRY_VOID(read(root, "MacAddress", hardware));
    if (!address.empty()) {
        TRY(out.address, prefix_of(address, "address"));
    }
    TRY(out.gateway, address_of(gateway, "gateway"));
    out.hardware = net::HardwareAddress::parse(hardware);
    if (!hardware.empty() && !out.hardware) return fail(ErrorKind::invalid, "invalid MAC address: " + hardware);
    element routes;
    simdjson::dom::array list;
    if (!has(root, "Routes", routes)) return out;
    if (routes.get(list) != simdjson::SUCCESS) return wrong("Routes", "[]Route");
    for (const element item : list) {
        std::string to, by;
        TRY_VOID(read(item, "Destination", to));
        TRY_VOID(read(item, "Gateway", by));
        TRY(const net::Prefix destination, prefix_of(to, "route"));
        TRY(const net::Address through, address_of(by, "gateway"));
        out.routes.emplace_back(destination, through);
    }
    return out;
}

void write_network(json::Writer& w, const net::Network& network, bool detailed) {
    const net::NetworkSpec& spec = network.spec;
    w.begin_object().field("Name", spec.name).field("Id", network.id);
    w.field("Created", runtime::rfc3339_nano(network.created_at)).field("Scope", "local").field("Driver", spec.driver);
    w.field("EnableIPv4", spec.ipv4).field("EnableIPv6", spec.ipv6);
    write_ipam(w, network);
    w.field("Internal", spec.internal).field("Attachable", spec.attachable).field("Ingress", false);
    w.key("ConfigFrom").begin_object().field("Network", "").end_object().field("ConfigOnly", false);
    if (detailed) write_containers(w, network);
    w.field("Options", spec.options).field("Labels", spec.labels).end_object();
}

Result<void> check_network_filters(const Filters& filters) {
    TRY_VOID(check_filters(filters, {"dangling", "driver", "id", "label", "name", "scope", "type"}));
    for (const std::string& type : filter_values(filters, "type"))
        if (type != "builtin" && type != "custom")
            return fail(ErrorKind::invalid, "invalid filter 'type=" + type + "'");
    for (const std::string& value : filter_values(filters, "dangling"))
        if (value != "true" && value != "false" && value != "1" && value != "0")
            return fail(ErrorKind::invalid, "invalid filter 'dangling=" + value + "'");
    return {};
}

bool network_passes(const net::Network& network, const Filters& filters, bool used) {
    const net::NetworkSpec& spec = network.spec;
    const auto passes = [&](std::string_view name, auto&& matches) {
        const auto& values = filter_values(filters, name);
        return values.empty() || std::any_of(values.begin(), values.end(), matches);
    };
    const auto contains = [](const std::string& text) {
        return [&text](const std::string& value) { return text.find(value) != std::string::npos; };
    };
    const auto equals = [](std::string text) { return [text](const std::string& value) { return text == value; }; };
    const auto& labels = filter_values(filters, "label");
    return passes("id", contains(network.id)) && passes("name", contains(spec.name)) &&
           passes("driver", equals(spec.driver)) && passes("scope", equals("local")) &&
           passes("type", equals(network.predefined ? "builtin" : "custom")) &&
           passes("dangling",
                  [&](const std::string& value) {
                      return (value == "true" || value == "1") == (!used && !network.predefined);
                  }) &&
           std::all_of(labels.begin(), labels.end(),
                       [&](const std::string& label) { return has_label(spec.labels, label); });
}

}  // namespace engine::api
