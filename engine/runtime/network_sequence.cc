// A container's part in networks: before it runs, while it runs, after it has ended; and the files that tell it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "engine/net/networks.h"
#include "engine/net/resolver_files.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/network_files.h"

namespace engine::runtime {
namespace {

constexpr char resolved_config[] = "/run/systemd/resolve/resolv.conf";  // what stands behind 127.0.0.53

net::ResolverConfig host_resolver() {
    net::ResolverConfig out = net::parse_resolver_config(host_file("/etc/resolv.conf"));
    if (out.servers != std::vector<std::string>{"127.0.0.53"}) return out;
    net::ResolverConfig behind = net::parse_resolver_config(host_file(resolved_config));
    return behind.servers.empty() ? out : behind;
}

bool on_user_network(const ContainerNetwork& network) {
    return std::any_of(network.endpoints.begin(), network.endpoints.end(),
                       [](const EndpointSettings& each) { return each.network != "bridge"; });
}

Result<net::EndpointRequest> request_of(const EndpointSettings& settings) {
    net::EndpointRequest out;
    out.network = settings.network;
    out.aliases = settings.aliases;
    for (const std::string& text : settings.links) {
        TRY(auto link, parse_link(text));
        out.links.emplace_back(std::move(link.alias), std::move(link.container));
    }
    out.v4 = net::Address::parse(settings.v4).value_or(net::Address());
    out.v6 = net::Address::parse(settings.v6).value_or(net::Address());
    out.hardware = net::HardwareAddress::parse(settings.mac);
    out.gateway_priority = settings.gateway_priority;
    out.driver_options = settings.driver_options;
    return out;
}

UniqueFd namespace_of(const Container& container) {
    const std::string path = "/proc/" + std::to_string(container.state.pid) + "/ns/net";
    return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

std::string full_name(const ContainerSpec& spec) {
    if (spec.domainname.empty()) return spec.hostname;
    return spec.hostname + "." + spec.domainname + " " + spec.hostname;
}

}  // namespace

Result<void> write_network_file(const std::string& path, std::string_view text) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return fail_errno(errno, path);
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, path);
    return {};
}

std::string host_file(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// At create and after a restart. The mode may name a network that is not there yet: that is told at the start.
Result<void> ContainerService::read_network(Container& container) {
    TRY(auto network, parse_container_network(container.spec, networks_.default_bridge()));
    if (container.network) {
        network.sandbox = container.network->sandbox;
        network.link_variables = container.network->link_variables;
    }
    container.network = std::make_shared<ContainerNetwork>(std::move(network));
    return {};
}

// dockerd's order: the servers of the container, of the engine's options, of the host; on networks with names, the
// embedded server stands before them.
net::ResolverConfig ContainerService::resolver_of(const Container& container) const {
    const ContainerSpec& spec = container.spec;
    const net::Options& options = networks_.options();
    net::ResolverConfig own;
    own.servers = spec.dns.empty() ? options.dns : spec.dns;
    own.search = spec.dns_search.empty() ? options.dns_search : spec.dns_search;
    own.options = spec.dns_options.empty() ? options.dns_opt : spec.dns_options;
    return net::container_resolver(host_resolver(), own);
}

// The embedded server asks from the host's own namespace: there the host's loopback servers answer too.
std::vector<std::string> ContainerService::upstreams_of(const Container& container) const {
    if (!container.spec.dns.empty()) return container.spec.dns;
    if (!networks_.options().dns.empty()) return networks_.options().dns;
    const auto host = net::parse_resolver_config(host_file("/etc/resolv.conf")).servers;
    return host.empty() ? resolver_of(container).servers : host;
}

// Containers that were taken over: their name server is this engine's now.
Task<void> ContainerService::restore_networks() {
    for (const auto& [id, container] : std::map(containers_)) {
        const auto sandbox = container->network->sandbox;
        if (sandbox) set_link_variables(*container);
        if (!sandbox || sandbox->upstreams.empty()) continue;
        UniqueFd netns = namespace_of(*container);
        if (!netns) continue;
        auto served = co_await networks_.serve_names_again(sandbox, std::move(netns));
        if (!served) log_error("container " + id + ": its name server: " + served.error().message());
    }
    auto opened = co_await open_links();
    co_return opened;
}

std::string ContainerService::resolver_file(const Container& container) const {
    const ContainerSpec& spec = container.spec;
    const bool own = !spec.dns.empty() || !spec.dns_search.empty() || !spec.dns_options.empty();
    switch (container.network->kind) {
        case NetworkKind::host:
            if (!own) return host_file("/etc/resolv.conf");
            break;
        case NetworkKind::none:
            if (!own) return {};
            break;
        case NetworkKind::container:
        case NetworkKind::networks:
            break;
    }
    net::ResolverConfig config = resolver_of(container);
    if (container.network->kind == NetworkKind::networks && on_user_network(*container.network)) {
        config.servers = {net::embedded_server};
        const bool said = std::any_of(config.options.begin(), config.options.end(),
                                      [](const std::string& option) { return option.starts_with("ndots:"); });
        if (!said) config.options.emplace_back("ndots:0");
    }
    return net::resolver_text(config);
}

std::string ContainerService::hosts_file(const Container& container) const {
    const ContainerSpec& spec = container.spec;
    std::vector<net::HostsEntry> entries;
    if (container.network->sandbox)
        for (const auto& endpoint : container.network->sandbox->endpoints)
            for (const net::Prefix* prefix : {&endpoint->v4, &endpoint->v6})
                if (prefix->valid()) entries.push_back({prefix->address.text(), full_name(spec)});
    for (const std::string& entry : spec.extra_hosts) {
        const std::size_t split = entry.find_first_of(":=");
        std::string address = entry.substr(split + 1);
        if (address == "host-gateway") address = networks_.host_gateway();
        entries.push_back({address, entry.substr(0, split)});
    }
    for (net::HostsEntry& entry : link_hosts(container)) entries.push_back(std::move(entry));
    const std::string host = container.network->kind == NetworkKind::host ? host_file("/etc/hosts") : std::string();
    if (host.empty()) return net::hosts_text(entries);
    std::string out = host;
    for (const net::HostsEntry& entry : entries) out += entry.address + "\t" + entry.names + "\n";
    return out;
}

Result<void> ContainerService::write_network_files(const Container& container) {
    const std::string directory = directory_of(container);
    if (mkdir(directory.c_str(), 0710) != 0 && errno != EEXIST) return fail_errno(errno, directory);
    TRY_VOID(write_network_file(directory + "/hosts", hosts_file(container)));
    TRY_VOID(write_network_file(directory + "/hostname", container.spec.hostname + "\n"));
    return write_network_file(directory + "/resolv.conf", resolver_file(container));
}

Result<std::shared_ptr<Container>> ContainerService::network_peer(const Container& container) const {
    auto peer = find(container.network->peer);
    if (!peer)
        return fail(std::move(peer.error())
                        .with_context("failed to set up container networking: joining network namespace of container")
                        .with_kind(ErrorKind::internal));
    if (peer->get() == &container) return fail(ErrorKind::conflict, "cannot join own network namespace");
    if (!(*peer)->running())
        return fail(ErrorKind::conflict,
                    "cannot join network namespace of a non running container: container " + (*peer)->id + " is " +
                        ((*peer)->state.status == ContainerStatus::created ? "created" : "exited"));
    return *peer;
}

Task<ContainerService::NetworkReady> ContainerService::prepare_network(std::shared_ptr<Container> container) {
    NetworkReady ready;
    ContainerNetwork& network = *container->network;
    network.sandbox_id.clear();
    switch (network.kind) {
        case NetworkKind::host:
            ready.host = true;
            break;
        case NetworkKind::none:
            network.sandbox_id = net::random_id();
            break;
        case NetworkKind::container: {
            CO_TRY(const auto peer, network_peer(*container));
            ready.netns = namespace_of(*peer);
            if (!ready.netns)
                co_return fail(ErrorKind::conflict,
                               "cannot join network namespace of a non running container: "
                               "container " +
                                   peer->id + " has just ended");
            ready.files_of = directory_of(*peer);
            ready.hostname = peer->spec.hostname;
            ready.domainname = peer->spec.domainname;
            break;
        }
        case NetworkKind::networks: {
            CO_TRY_VOID(check_links(*container));
            net::Networks::JoinRequest request;
            request.container_id = container->id;
            request.container_name = container->name;
            request.hostname = container->spec.hostname;
            request.ports = network.ports;
            for (const EndpointSettings& settings : network.endpoints) {
                CO_TRY(auto endpoint, request_of(settings));
                request.endpoints.push_back(std::move(endpoint));
            }
            if (on_user_network(network)) request.resolver = upstreams_of(*container);
            CO_TRY(auto joined, co_await networks_.join(std::move(request)));
            network.sandbox = std::move(joined.sandbox);
            ready.netns = std::move(joined.netns);
            for (const auto& endpoint : network.sandbox->endpoints) publish_network(*container, *endpoint, "connect");
            set_link_variables(*container);
            if (is_linked(*container)) {
                tell_linkers(*container);
                CO_TRY_VOID(co_await open_links());
            }
            break;
        }
    }
    // Without networks nothing in them has changed since they were made with the container.
    if (network.kind == NetworkKind::host || network.kind == NetworkKind::networks) {
        CO_TRY_VOID(write_network_files(*container));
    }
    co_return ready;
}

// What `release` calls, for the failed start, the exit and the taking over alike.
void ContainerService::release_network(const Container& container) {
    ContainerNetwork& network = *container.network;
    network.sandbox_id.clear();
    if (!network.sandbox) return;
    const bool shared = std::any_of(containers_.begin(), containers_.end(), [&](const auto& entry) {
        const Container& other = *entry.second;
        if (!other.running() || !other.network || other.network->kind != NetworkKind::container) return false;
        const auto peer = find(other.network->peer);
        return peer && peer->get() == &container;
    });
    for (const auto& endpoint : network.sandbox->endpoints) publish_network(container, *endpoint, "disconnect");
    networks_.leave(network.sandbox, shared);
    network.sandbox.reset();
    network.link_variables.clear();
    if (is_linked(container)) scope_.spawn("close links", open_links());
}

void ContainerService::publish_network(const Container& container, const net::Endpoint& endpoint,
                                       std::string_view action) {
    const auto network = networks_.find(endpoint.network_id);
    if (!network) return;
    events_.publish("network", action, (*network)->id,
                    {{"container", container.id}, {"name", (*network)->spec.name}, {"type", (*network)->spec.driver}});
}

// The embedded name server knows the new name at once.
void ContainerService::rename_in_networks(const Container& container, const std::string& old_name) {
    const auto sandbox = container.network->sandbox;
    if (!sandbox) return;
    sandbox->container_name = container.name;
    for (const auto& endpoint : sandbox->endpoints) {
        endpoint->container_name = container.name;
        std::replace(endpoint->dns_names.begin(), endpoint->dns_names.end(), old_name, container.name);
    }
    save_state(container);
}

std::vector<std::shared_ptr<net::Sandbox>> ContainerService::sandboxes() const {
    std::vector<std::shared_ptr<net::Sandbox>> out;
    for (const auto& [id, container] : containers_)
        if (container->network && container->network->sandbox) out.push_back(container->network->sandbox);
    return out;
}

Task<void> ContainerService::connect(std::string_view reference, std::string network_reference,
                                     EndpointSettings settings) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    CO_TRY(const auto network, networks_.find(network_reference));
    ContainerNetwork& own = *container->network;
    if (own.kind == NetworkKind::container || own.kind == NetworkKind::host)
        co_return fail(ErrorKind::invalid,
                       "container sharing network namespace with another container or host cannot "
                       "be connected to any other network");
    if (own.kind == NetworkKind::none && !container->spec.network_disabled && network->spec.driver != "null")
        co_return fail(ErrorKind::invalid,
                       "container cannot be connected to multiple networks with one of the networks "
                       "in private (none) mode");
    if (network->spec.driver == "host")
        co_return fail(ErrorKind::invalid,
                       "cannot connect container to host network - container must be created in host network mode");
    if (network->spec.driver == "null")
        co_return fail(ErrorKind::invalid,
                       "container cannot be connected to multiple networks with one of the networks "
                       "in private (none) mode");
    settings.network = network->spec.name;
    if (network->predefined && (!settings.v4.empty() || !settings.v6.empty()))
        co_return fail(ErrorKind::invalid,
                       "invalid endpoint settings:\nuser specified IP address is supported on user "
                       "defined networks only");
    if (network->predefined && !settings.aliases.empty())
        co_return fail(ErrorKind::invalid,
                       "invalid endpoint settings:\nnetwork-scoped alias is supported only for "
                       "containers in user defined networks");
    const auto known = [&](const EndpointSettings& each) {
        const auto other = networks_.find(each.network);
        return other && *other == network;
    };
    if (std::any_of(own.endpoints.begin(), own.endpoints.end(), known)) {
        if (container->running())
            co_return fail(ErrorKind::forbidden, "endpoint with name " + container->name +
                                                     " already exists in network " + network->spec.name);
        std::erase_if(own.endpoints, known);
    }
    if (container->running()) {
        CO_TRY_VOID(co_await connect_running(container, settings));
    }
    own.endpoints.push_back(std::move(settings));
    auto saved = save_networks(*container);
    co_return saved;
}

Task<void> ContainerService::connect_running(std::shared_ptr<Container> container, EndpointSettings settings) {
    ContainerNetwork& own = *container->network;
    const UniqueFd netns = namespace_of(*container);
    if (!own.sandbox || !netns)
        co_return fail(ErrorKind::conflict, "container " + container->id + " has no network namespace to connect");
    CO_TRY(auto request, request_of(settings));
    const std::shared_ptr<net::Sandbox> sandbox = own.sandbox;
    const int fd = netns.get();
    std::vector<std::string> servers = upstreams_of(*container);
    CO_TRY(const auto endpoint, co_await networks_.connect(sandbox, std::move(request), fd, std::move(servers)));
    publish_network(*container, *endpoint, "connect");
    std::vector<EndpointSettings> before = own.endpoints;
    own.endpoints.push_back(settings);
    auto written = write_network_files(*container);
    own.endpoints = std::move(before);
    if (!written) log_warn("container " + container->id + ": " + written.error().message());
    save_state(*container);
    co_return Result<void>{};
}

Task<void> ContainerService::disconnect(std::string_view reference, std::string network_reference, bool force) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    CO_TRY(const auto network, networks_.find(network_reference));
    ContainerNetwork& own = *container->network;
    if (own.kind == NetworkKind::host && network->spec.driver == "host")
        co_return fail(ErrorKind::invalid,
                       "container cannot be disconnected from host network or connected to host "
                       "network");
    const auto known = [&](const EndpointSettings& each) {
        const auto other = networks_.find(each.network);
        return other && *other == network;
    };
    const auto at = std::find_if(own.endpoints.begin(), own.endpoints.end(), known);
    if (own.kind != NetworkKind::networks || at == own.endpoints.end()) {
        if (force)
            co_return fail(ErrorKind::not_found, "endpoint " + container->name + " not found");
        co_return fail(ErrorKind::internal,
                       "container " + container->id + " is not connected to network " + network->spec.name);
    }
    const net::Endpoint* endpoint = own.sandbox ? own.sandbox->on(network->id) : nullptr;
    if (endpoint) {
        const net::Endpoint copy = *endpoint;
        const UniqueFd netns = namespace_of(*container);
        const int fd = netns.get();
        const std::shared_ptr<net::Sandbox> sandbox = own.sandbox;
        CO_TRY_VOID(co_await networks_.disconnect(sandbox, network->id, fd));
        publish_network(*container, copy, "disconnect");
    }
    std::erase_if(own.endpoints, known);
    if (endpoint) {
        if (auto written = write_network_files(*container); !written)
            log_warn("container " + container->id + ": " + written.error().message());
        save_state(*container);
    }
    auto saved = save_networks(*container);
    co_return saved;
}

namespace {

Result<UniqueFd> own_namespace_of(const Container& container) {
    if (!container.running()) return fail(ErrorKind::conflict, "container " + container.id + " is not running");
    if (container.network->kind == NetworkKind::host || container.network->kind == NetworkKind::container)
        return fail(ErrorKind::invalid, "container " + container.id + " has no network namespace of its own");
    UniqueFd netns = namespace_of(container);
    if (!netns) return fail(ErrorKind::conflict, "container " + container.id + " has just ended");
    return netns;
}

}  // namespace

Task<std::string> ContainerService::plug(std::string_view reference, net::PlugRequest request) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    CO_TRY(const auto netns, own_namespace_of(*container));
    const int fd = netns.get();
    auto plugged = co_await networks_.plug(std::move(request), fd);
    co_return plugged;
}

Task<void> ContainerService::unplug(std::string_view reference, std::string name) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    CO_TRY(const auto netns, own_namespace_of(*container));
    const net::Sandbox* sandbox = container->network->sandbox.get();
    const bool of_a_network = sandbox && std::any_of(sandbox->endpoints.begin(), sandbox->endpoints.end(),
                                                     [&](const auto& each) { return each->inside_link == name; });
    if (of_a_network || name == "lo")
        co_return fail(ErrorKind::conflict, "interface " + name + " was not plugged in: disconnect its network");
    const int fd = netns.get();
    auto unplugged = co_await networks_.unplug(std::move(name), fd);
    co_return unplugged;
}

// The row's body names the networks of now.
Result<void> ContainerService::save_networks(Container& container) {
    container.spec.networking_config_json = networking_config_text(container.network->endpoints);
    return save_new(container);
}

}  // namespace engine::runtime
