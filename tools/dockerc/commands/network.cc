// dockerc network create|connect|disconnect|inspect|ls|plug|prune|rm|unplug
#include <cstdio>
#include <optional>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/prune.h"
#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

using engine::json::Writer;

void write_pairs(Writer& json, std::string_view name, const std::vector<std::string>& pairs) {
    if (pairs.empty()) return;
    json.key(name).begin_object();
    for (const std::string& pair : pairs) {
        const std::size_t at = pair.find('=');
        json.field(pair.substr(0, at), at == std::string::npos ? std::string() : pair.substr(at + 1));
    }
    json.end_object();
}

int create(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string driver = "bridge", subnet, range, gateway;
    std::vector<std::string> options, labels, aux;
    bool internal = false, attachable = false, ipv6 = false;
    line.app.add_option("-d,--driver", driver, "Driver to manage the Network");
    line.app.add_option("--subnet", subnet, "Subnet in CIDR format that represents a network segment");
    line.app.add_option("--ip-range", range, "Allocate container ip from a sub-range");
    line.app.add_option("--gateway", gateway, "IPv4 or IPv6 Gateway for the master subnet");
    line.list("--aux-address", aux, "Auxiliary IPv4 or IPv6 addresses used by Network driver");
    line.list("-o,--opt", options, "Set driver specific options");
    line.list("--label", labels, "Set metadata on a network");
    line.app.add_flag("--internal", internal, "Restrict external access to the network");
    line.app.add_flag("--attachable", attachable, "Enable manual container attachment");
    line.app.add_flag("--ipv6", ipv6, "Enable IPv6 networking");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    Writer json;
    json.begin_object().field("Name", line.words[0]).field("Driver", driver).field("Internal", internal);
    json.field("Attachable", attachable).field("EnableIPv6", ipv6);
    write_pairs(json, "Options", options);
    write_pairs(json, "Labels", labels);
    if (!subnet.empty() || !range.empty() || !gateway.empty()) {
        json.key("IPAM").begin_object().field("Driver", "default").key("Config").begin_array().begin_object();
        json.field("Subnet", subnet);
        if (!range.empty()) json.field("IPRange", range);
        if (!gateway.empty()) json.field("Gateway", gateway);
        write_pairs(json, "AuxiliaryAddresses", aux);
        json.end_object().end_array().end_object();
    }
    const auto body = client.call("POST", "/networks/create", json.end_object().take());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    std::printf("%s\n", json_text(document.root(), "Id").c_str());
    return 0;
}

int connect(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string ip, ip6;
    std::vector<std::string> aliases;
    line.app.add_option("--ip", ip, "IPv4 address (e.g., 172.30.100.104)");
    line.app.add_option("--ip6", ip6, "IPv6 address (e.g., 2001:db8::33)");
    line.list("--alias", aliases, "Add network-scoped alias for the container");
    if (const int code = line.parse(std::move(arguments), 2, 2); code >= 0) return code;
    Writer json;
    json.begin_object().field("Container", line.words[1]).key("EndpointConfig").begin_object();
    if (!aliases.empty()) json.field("Aliases", aliases);
    json.key("IPAMConfig").begin_object().field("IPv4Address", ip).field("IPv6Address", ip6).end_object();
    json.end_object();
    const auto done =
        client.call("POST", "/networks/" + url_escape(line.words[0]) + "/connect", json.end_object().take());
    return done ? 0 : report(done.error());
}

int disconnect(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool force = false;
    line.app.add_flag("-f,--force", force, "Force the container to disconnect from a network");
    if (const int code = line.parse(std::move(arguments), 2, 2); code >= 0) return code;
    Writer json;
    json.begin_object().field("Container", line.words[1]).field("Force", force);
    const auto done =
        client.call("POST", "/networks/" + url_escape(line.words[0]) + "/disconnect", json.end_object().take());
    return done ? 0 : report(done.error());
}

int list(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool quiet = false, no_trunc = false;
    std::vector<std::string> filters;
    line.app.add_flag("-q,--quiet", quiet, "Only display network IDs");
    line.app.add_flag("--no-trunc", no_trunc, "Do not truncate the output");
    line.list("-f,--filter", filters, "Provide filter values (e.g. driver=bridge)");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message());
    const auto body = client.call("GET", "/networks" + Query().add("filters", *json).text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    Table table({"NETWORK ID", "NAME", "DRIVER", "SCOPE"});
    json_each(document.root(), [&](JsonValue network) {
        const std::string whole = json_text(network, "Id"), id = no_trunc ? whole : short_id(whole);
        if (quiet) {
            std::printf("%s\n", id.c_str());
        } else {
            table.add({id, json_text(network, "Name"), json_text(network, "Driver"), json_text(network, "Scope")});
        }
    });
    if (!quiet) std::fputs(table.text().c_str(), stdout);
    return 0;
}

int inspect(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1000); code >= 0) return code;
    std::string out;
    int code = 0;
    for (const std::string& word : line.words) {
        const auto body = client.call("GET", "/networks/" + url_escape(word));
        if (!body) {
            code = report(body.error());
            continue;
        }
        out.append(out.empty() ? "" : ",").append(*body);
    }
    std::printf("[%s]\n", out.c_str());
    return code;
}

int remove(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1000); code >= 0) return code;
    return for_each_word(line.words, [&client](const std::string& word) -> Result<void> {
        TRY(const auto body, client.call("DELETE", "/networks/" + url_escape(word)));
        return {};
    });
}

int prune(const Command& command, Client& client, Arguments arguments) {
    constexpr PruneKind networks{"/networks/prune", "all custom networks not used by at least one container", nullptr,
                                 "NetworksDeleted", "Deleted Networks", print_removed, false};
    return run_prune(command, client, std::move(arguments), networks);
}

// "ADDRESS/LENGTH@GATEWAY", as pipework(1) writes it; "" when there is no '@'.
std::pair<std::string, std::string> at_gateway(const std::string& text) {
    const std::size_t at = text.find('@');
    if (at == std::string::npos) return {text, ""};
    return {text.substr(0, at), text.substr(at + 1)};
}

int plug(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string bridge, parent, ip, mac, name = "eth1";
    std::optional<std::int64_t> vlan;
    std::vector<std::string> routes;
    line.app.add_option("--bridge", bridge, "Bridge of the host, made when it is not there");
    line.app.add_option("--parent", parent, "Interface of the host (macvlan)");
    line.app.add_option("--vlan", vlan, "VLAN of the bridge's port or of the host's interface");
    line.app.add_option("--ip", ip, "ADDRESS/LENGTH[@GATEWAY]");
    line.app.add_option("--mac", mac, "MAC address");
    line.app.add_option("--name", name, "Name of the interface in the container");
    line.list("--route", routes, "NETWORK/LENGTH[@GATEWAY]");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    const auto [address, gateway] = at_gateway(ip);
    Writer json;
    json.begin_object().field("Bridge", bridge).field("Parent", parent).field("Name", name);
    if (vlan) json.field("Vlan", *vlan);
    json.field("Address", address).field("Gateway", gateway).field("MacAddress", mac).key("Routes").begin_array();
    for (const std::string& route : routes) {
        const auto [destination, through] = at_gateway(route);
        json.begin_object().field("Destination", destination).field("Gateway", through).end_object();
    }
    const std::string body = json.end_array().end_object().take();
    const auto answer = client.call("POST", "/containers/" + url_escape(line.words[0]) + "/plug", body);
    return answer ? 0 : report(answer.error());
}

int unplug(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string name = "eth1";
    line.app.add_option("--name", name, "Name of the interface in the container");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    Writer json;
    const std::string body = json.begin_object().field("Name", name).end_object().take();
    const auto answer = client.call("POST", "/containers/" + url_escape(line.words[0]) + "/unplug", body);
    return answer ? 0 : report(answer.error());
}

const Command verbs[] = {
    {"network connect", "[OPTIONS] NETWORK CONTAINER", "Connect a container to a network", connect},
    {"network create", "[OPTIONS] NETWORK", "Create a network", create},
    {"network disconnect", "[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network", disconnect},
    {"network inspect", "NETWORK [NETWORK...]", "Display detailed information on networks", inspect},
    {"network ls", "[OPTIONS]", "List networks", list},
    {"network prune", "[OPTIONS]", "Remove all unused networks", prune},
    {"network plug", "[OPTIONS] CONTAINER", "Give a running container an interface on the host's network", plug},
    {"network unplug", "[OPTIONS] CONTAINER", "Take such an interface away", unplug},
    {"network rm", "NETWORK [NETWORK...]", "Remove one or more networks", remove},
};

}  // namespace

int network_command(const Command& command, Client& client, Arguments arguments) {
    return run_group(command, verbs, client, std::move(arguments));
}

}  // namespace dockerc
