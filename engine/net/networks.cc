// The registry of networks: rows, names, create and remove. How a bridge comes about is in network_setup.cc, how
// containers join in endpoints.cc, ports in published_ports.cc.
#include "engine/net/networks.h"

#include <sys/random.h>

#include <algorithm>

#include "engine/net/limits.h"
#include "engine/net/network_text.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr std::string_view predefined_names[] = {"bridge", "host", "none", "default"};

bool is_predefined(std::string_view name) {
    return std::find(std::begin(predefined_names), std::end(predefined_names), name) != std::end(predefined_names);
}

}  // namespace

std::string random_id() {
    unsigned char bytes[32];
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    std::string id;
    for (const unsigned char byte : bytes) {
        constexpr char hex[] = "0123456789abcdef";
        id += hex[byte >> 4];
        id += hex[byte & 15];
    }
    return id;
}

const Endpoint* Sandbox::gateway_endpoint() const {
    const Endpoint* best = nullptr;
    for (const auto& endpoint : endpoints) {
        if (!endpoint->gateway.valid() && !endpoint->gateway_v6.valid()) continue;
        if (!best || endpoint->gateway_priority > best->gateway_priority) best = endpoint.get();
    }
    return best;
}

Endpoint* Sandbox::on(std::string_view network_id) const {
    for (const auto& endpoint : endpoints)
        if (endpoint->network_id == network_id) return endpoint.get();
    return nullptr;
}

Networks::Networks(Options options, NetworkStore& store)
    : options_(std::move(options)), store_(store), worker_(options_.worker_path) {
    if (options_.port_first == 0) {
        options_.port_first = limits::dynamic_port_first;
        options_.port_last = limits::dynamic_port_last;
    }
    next_port_ = options_.port_first;
}

Networks::~Networks() = default;

Result<std::unique_ptr<Networks>> Networks::open(Options options, NetworkStore& store) {
    TRY_VOID(check_options(options));
    std::unique_ptr<Networks> networks(new Networks(std::move(options), store));
    TRY_VOID(networks->load());
    return networks;
}

Result<void> Networks::load() {
    TRY(const auto texts, store_.all());
    for (const std::string& text : texts) {
        auto network = parse_network(text);
        if (!network) {
            log_error(network.error().message() + ", left as it is");
            continue;
        }
        if ((*network)->is_default_bridge() && !default_bridge()) continue;
        order_.push_back((*network)->id);
        networks_[(*network)->id] = std::move(*network);
    }
    if (default_bridge()) {
        TRY_VOID(add_predefined("bridge", "bridge"));
    }
    TRY_VOID(add_predefined("host", "host"));
    return add_predefined("none", "null");
}

Result<void> Networks::add_predefined(const std::string& name, const std::string& driver) {
    if (find(name)) return {};
    auto network = std::make_shared<Network>();
    network->id = random_id();
    network->spec.name = name;
    network->spec.driver = driver;
    network->predefined = true;
    network->created_at = realtime_ns();
    order_.push_back(network->id);
    networks_[network->id] = network;
    return save(*network);
}

Result<void> Networks::save(const Network& network) { return store_.put(network.id, network_text(network)); }

Result<std::shared_ptr<Network>> Networks::find(std::string_view reference) const {
    if (const auto by_id = networks_.find(std::string(reference)); by_id != networks_.end()) return by_id->second;
    std::vector<std::shared_ptr<Network>> prefixed;
    for (const auto& [id, network] : networks_) {
        if (network->spec.name == reference) return network;
        if (!reference.empty() && id.starts_with(reference)) prefixed.push_back(network);
    }
    if (prefixed.size() == 1) return prefixed[0];
    if (prefixed.size() > 1)
        return fail(ErrorKind::invalid, "network " + std::string(reference) + " is ambiguous (" +
                                            std::to_string(prefixed.size()) + " matches found based on ID prefix)");
    return fail(ErrorKind::not_found, "network " + std::string(reference) + " not found");
}

std::vector<std::shared_ptr<Network>> Networks::all() const {
    std::vector<std::shared_ptr<Network>> out;
    for (const std::string& id : order_) out.push_back(networks_.at(id));
    return out;
}

Result<void> Networks::check_spec(const NetworkSpec& spec) const {
    if (is_predefined(spec.name))
        return fail(ErrorKind::forbidden, "operation is not permitted on predefined " + spec.name + " network ");
    if (spec.name.find_first_not_of(" \t\n\r") == std::string::npos)
        return fail(ErrorKind::invalid, "invalid network name: name is empty");
    if (spec.name.size() > limits::network_name_bytes_max)
        return fail(ErrorKind::invalid, "invalid network name: longer than " +
                                            std::to_string(limits::network_name_bytes_max) + " characters");
    for (const auto& [id, network] : networks_)
        if (network->spec.name == spec.name)
            return fail(ErrorKind::conflict, "network with name " + spec.name + " already exists");
    if (spec.driver == "host" || spec.driver == "null")
        return fail(ErrorKind::forbidden, "only one instance of \"" + spec.driver + "\" network is allowed");
    if (spec.driver != "bridge" && spec.driver != "macvlan" && spec.driver != "ipvlan" && spec.driver != "vxlan")
        return fail(ErrorKind::not_found, "could not find plugin " + spec.driver + " in v1 plugin registry: plugin \"" +
                                              spec.driver + "\" not found");
    if (spec.ipam_driver != "default")
        return fail(ErrorKind::not_found, "plugin \"" + spec.ipam_driver + "\" not found");
    if (!spec.ipv4 && !spec.ipv6) return fail(ErrorKind::invalid, "IPv4 or IPv6 must be enabled");
    return {};
}

Task<std::shared_ptr<Network>> Networks::create(NetworkSpec spec) {
    CO_TRY(auto turn, co_await making_.enter());
    CO_TRY_VOID(check_spec(spec));
    auto network = std::make_shared<Network>();
    network->id = random_id();
    network->spec = std::move(spec);
    network->created_at = realtime_ns();
    CO_TRY_VOID(co_await resolve(network));
    // The row first: what an engine that dies here leaves in the kernel is the next one's by name.
    CO_TRY_VOID(save(*network));
    auto made = co_await make_links(network);
    const std::vector<std::string> links = made ? links_of(*network) : std::vector<std::string>();
    networks_[network->id] = network;
    order_.push_back(network->id);
    if (made) made = co_await apply_table();
    serve_peers();
    if (made) co_return network;
    networks_.erase(network->id);
    std::erase(order_, network->id);
    serve_peers();
    ignore_result(store_.remove(network->id), "the first error is the one to tell");
    if (!links.empty()) {
        std::vector<std::string> names = links;
        auto removed = co_await remove_links(std::move(names));
        ignore_result(removed, "the first error is the one to tell");
        auto rules = co_await apply_table();
        ignore_result(rules, "the first error is the one to tell");
    }
    co_return fail(std::move(made.error()));
}

std::vector<std::string> Networks::users_of(const Network& network) {
    std::vector<std::string> out;
    for (const auto& [container, endpoint] : network.endpoints)
        out.push_back("name:\"" + endpoint->container_name + "\" id:\"" + endpoint->id.substr(0, 12) + "\"");
    return out;
}

// All of them are tried; the first error is told.
Task<void> Networks::remove_links(std::vector<std::string> links) {
    Result<void> out;
    for (std::string& link : links) {
        auto removed = co_await worker_.remove_link(std::move(link));
        if (out) out = std::move(removed);
    }
    co_return out;
}

Task<std::shared_ptr<Network>> Networks::remove(std::string reference) {
    CO_TRY(auto turn, co_await making_.enter());
    CO_TRY(auto network, find(reference));
    if (network->predefined)
        co_return fail(ErrorKind::forbidden,
                       network->spec.name + " is a pre-defined network and cannot be removed");
    const std::vector<std::string> users = users_of(*network);
    if (!users.empty()) {
        std::string list;
        for (const std::string& user : users) list.append(list.empty() ? "" : ", ").append(user);
        co_return fail(ErrorKind::forbidden, "error while removing network: network " + network->spec.name +
                                                 " has active endpoints (" + list + ")");
    }
    // Nobody joins from here on. The row goes last: an engine that dies before leaves a network, not a stray bridge.
    networks_.erase(network->id);
    std::erase(order_, network->id);
    serve_peers();
    std::vector<std::string> links = links_of(*network);
    auto removed = co_await remove_links(std::move(links));
    if (!removed) log_warn("network " + network->spec.name + ": " + removed.error().message());
    if (auto forgotten = store_.remove(network->id); !forgotten) {
        networks_[network->id] = network;
        order_.push_back(network->id);
        auto made = co_await make_links(network);
        if (!made) log_error("network " + network->spec.name + ": " + made.error().message());
        co_return fail(std::move(forgotten.error()));
    }
    auto rules = co_await apply_table();
    if (!rules) log_warn("network " + network->spec.name + ": " + rules.error().message());
    co_return network;
}

Task<void> Networks::close(bool idle) {
    scope_.request_stop();
    CO_TRY_VOID(co_await names_.close());
    CO_TRY_VOID(co_await peer_names_.close());
    CO_TRY_VOID(co_await scope_.join());
    const bool any =
        std::any_of(networks_.begin(), networks_.end(), [](const auto& entry) { return entry.second->is_bridge(); });
    if (idle && any && options_.iptables && firewall_fault_.empty()) {
        std::string transaction = table_removal(options_.table);
        auto removed = co_await worker_.firewall(std::move(transaction));
        if (!removed) log_warn("removing the nftables rules: " + removed.error().message());
    }
    auto closed = co_await worker_.close();
    co_return closed;
}

Task<std::vector<std::string>> Networks::warnings() {
    std::vector<std::string> out = warnings_;
    const bool forwards =
        std::any_of(networks_.begin(), networks_.end(), [](const auto& entry) { return entry.second->is_bridge(); });
    if (!forwards) co_return out;
    CO_TRY(const auto chains, co_await worker_.forward_drops());
    for (const std::string& chain : chains)
        out.push_back("WARNING: the policy of " + chain +
                      " is drop: containers reach the outside, and are reached on published ports, only where rules "
                      "there accept it");
    co_return out;
}

}  // namespace engine::net
