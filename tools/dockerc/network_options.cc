#include "tools/dockerc/network_options.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "engine/reactor/try.h"

namespace dockerc {
namespace {

using engine::ErrorKind;
using engine::fail;
using engine::json::Writer;

struct Range {
    unsigned first = 0, last = 0;
    unsigned count() const { return last - first + 1; }
};

Result<Range> parse_range(const std::string& text, const std::string& whole) {
    const auto number = [](std::string_view digits, unsigned& out) {
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out);
        return parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size() && out <= 65535;
    };
    Range out;
    const std::size_t dash = text.find('-');
    const std::string_view view = text;
    const bool good = number(view.substr(0, dash), out.first) &&
                      number(dash == std::string::npos ? view : view.substr(dash + 1), out.last) &&
                      out.first <= out.last;
    if (!good) return fail(ErrorKind::invalid, "invalid containerPort: " + whole);
    return out;
}

// "80", "80-90/udp": one key for each port.
Result<std::vector<std::string>> parse_ports(const std::string& text, const std::string& whole) {
    const std::size_t slash = text.find('/');
    const std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return fail(ErrorKind::invalid, "invalid proto: " + protocol);
    TRY(const Range range, parse_range(text.substr(0, slash), whole));
    std::vector<std::string> out;
    for (unsigned port = range.first; port <= range.last; ++port) out.push_back(std::to_string(port) + "/" + protocol);
    return out;
}

}  // namespace

Result<std::vector<PublishedPort>> parse_publish(const std::string& text) {
    std::string rest = text;
    std::string ip, host;
    const std::size_t last = rest.rfind(':');
    std::string container = last == std::string::npos ? rest : rest.substr(last + 1);
    if (last != std::string::npos) {
        rest.resize(last);
        const std::size_t bracket = rest.rfind(']');
        const std::size_t middle = rest.rfind(':');
        if (middle != std::string::npos && (bracket == std::string::npos || middle > bracket)) {
            ip = rest.substr(0, middle);
            host = rest.substr(middle + 1);
        } else if (bracket != std::string::npos) {
            ip = rest;
        } else {
            host = rest;
        }
        if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
    }
    if (container.empty() || container[0] == '/')
        return fail(ErrorKind::invalid, "no port specified: " + text + "<empty>");
    TRY(const auto ports, parse_ports(container, text));
    std::vector<PublishedPort> out;
    for (const std::string& port : ports) out.push_back({port, ip, ""});
    if (host.empty()) return out;
    auto range = parse_range(host, text);
    if (!range) return fail(ErrorKind::invalid, "invalid hostPort: " + host);
    if (range->count() != out.size()) {
        if (out.size() != 1)
            return fail(ErrorKind::invalid,
                        "invalid ranges specified for container and host Ports: " + container + " and " + host);
        out[0].host_port = host;  // one of the range
        return out;
    }
    for (std::size_t i = 0; i < out.size(); ++i) out[i].host_port = std::to_string(range->first + i);
    return out;
}

void add_network_options(CommandLine& line, NetworkOptions& o) {
    line.list("-p,--publish", o.publish, "Publish a container's port(s) to the host");
    line.app.add_flag("-P,--publish-all", o.publish_all, "Publish all exposed ports to random ports");
    line.list("--expose", o.expose, "Expose a port or a range of ports");
    line.list("--network-alias,--net-alias", o.aliases, "Add network-scoped alias for the container");
    line.list("--dns", o.dns, "Set custom DNS servers");
    line.list("--dns-search", o.dns_search, "Set custom DNS search domains");
    line.list("--dns-option,--dns-opt", o.dns_options, "Set DNS options");
    line.list("--add-host", o.hosts, "Add a custom host-to-IP mapping (host:ip)");
    line.list("--link", o.links, "Add link to another container");
    line.list("--sysctl", o.sysctls, "Sysctl options");
    line.app.add_option("--ip", o.ip, "IPv4 address (e.g., 172.30.100.104)");
    line.app.add_option("--ip6", o.ip6, "IPv6 address (e.g., 2001:db8::33)");
    line.app.add_option("--mac-address", o.mac, "Container MAC address (e.g., 92:d0:c6:0a:29:33)");
    line.app.add_option("--domainname", o.domainname, "Container NIS domain name");
}

Result<void> write_network_config(Writer& json, const NetworkOptions& o) {
    if (!o.domainname.empty()) json.field("Domainname", o.domainname);
    if (!o.mac.empty()) json.field("MacAddress", o.mac);
    std::vector<std::string> ports;
    for (const std::string& text : o.publish) {
        TRY(const auto published, parse_publish(text));
        for (const PublishedPort& port : published) ports.push_back(port.container);
    }
    for (const std::string& text : o.expose) {
        TRY(const auto exposed, parse_ports(text, text));
        ports.insert(ports.end(), exposed.begin(), exposed.end());
    }
    if (ports.empty()) return {};
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
    json.key("ExposedPorts").begin_object();
    for (const std::string& port : ports) json.key(port).begin_object().end_object();
    json.end_object();
    return {};
}

Result<void> write_port_bindings(Writer& json, const std::vector<std::string>& publish) {
    std::map<std::string, std::vector<PublishedPort>> bindings;
    for (const std::string& text : publish) {
        TRY(const auto published, parse_publish(text));
        for (const PublishedPort& port : published) bindings[port.container].push_back(port);
    }
    json.key("PortBindings").begin_object();
    for (const auto& [container, ports] : bindings) {
        json.key(container).begin_array();
        for (const PublishedPort& port : ports)
            json.begin_object().field("HostIp", port.host_ip).field("HostPort", port.host_port).end_object();
        json.end_array();
    }
    json.end_object();
    return {};
}

Result<void> write_network_host_config(Writer& json, const NetworkOptions& o) {
    if (!o.publish.empty()) {
        TRY_VOID(write_port_bindings(json, o.publish));
    }
    if (o.publish_all) json.field("PublishAllPorts", true);
    const auto list = [&json](std::string_view name, const std::vector<std::string>& values) {
        if (!values.empty()) json.field(name, values);
    };
    list("Dns", o.dns);
    list("DnsSearch", o.dns_search);
    list("DnsOptions", o.dns_options);
    list("Links", o.links);
    std::vector<std::string> hosts = o.hosts;
    for (std::string& host : hosts)
        if (const std::size_t at = host.find_first_of(":="); at != std::string::npos) host[at] = ':';
    list("ExtraHosts", hosts);
    if (o.sysctls.empty()) return {};
    json.key("Sysctls").begin_object();
    for (const std::string& text : o.sysctls) {
        const std::size_t equal = text.find('=');
        if (equal == std::string::npos) return fail(ErrorKind::invalid, "sysctl '" + text + "' is not NAME=VALUE");
        json.field(text.substr(0, equal), text.substr(equal + 1));
    }
    json.end_object();
    return {};
}

void write_networking_config(Writer& json, const NetworkOptions& o, const std::string& network) {
    if (o.aliases.empty() && o.ip.empty() && o.ip6.empty()) return;
    json.key("NetworkingConfig").begin_object().key("EndpointsConfig").begin_object();
    json.key(network.empty() ? "default" : network).begin_object();
    if (!o.aliases.empty()) json.field("Aliases", o.aliases);
    if (!o.ip.empty() || !o.ip6.empty()) {
        json.key("IPAMConfig").begin_object();
        if (!o.ip.empty()) json.field("IPv4Address", o.ip);
        if (!o.ip6.empty()) json.field("IPv6Address", o.ip6);
        json.end_object();
    }
    json.end_object().end_object().end_object();
}

}  // namespace dockerc
