// From what was asked to a bridge: which subnets, which options, the kernel's part, the rules.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/net/host_network.h"
#include "engine/net/limits.h"
#include "engine/net/networks.h"
#include "engine/net/rules_watch.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr char default_bridge_name[] = "docker0";
constexpr char name_option[] = "com.docker.network.bridge.name";
constexpr char icc_option[] = "com.docker.network.bridge.enable_icc";
constexpr char masquerade_option[] = "com.docker.network.bridge.enable_ip_masquerade";
constexpr char binding_option[] = "com.docker.network.bridge.host_binding_ipv4";
constexpr char mtu_option[] = "com.docker.network.driver.mtu";
constexpr Nanoseconds rules_settle = 100 * millisecond;
constexpr unsigned mtu_minimum = 68;  // RFC 791

tl::unexpected<Error> bad(std::string message) {
    return fail(ErrorKind::invalid, std::move(message));
}

Result<bool> boolean_option(const StringMap& options, const char* name, bool otherwise) {
    const auto at = options.find(name);
    if (at == options.end()) return otherwise;
    for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (at->second == yes) return true;
    for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
        if (at->second == no) return false;
    return bad("failed to parse " + std::string(name) + " value: strconv.ParseBool: parsing \"" + at->second +
               "\": invalid syntax");
}

Result<std::uint32_t> mtu_of(const StringMap& options, std::uint32_t otherwise) {
    const auto at = options.find(mtu_option);
    if (at == options.end() || at->second.empty()) return otherwise;
    std::uint32_t mtu = 0;
    const auto parsed = std::from_chars(at->second.data(), at->second.data() + at->second.size(), mtu);
    if (parsed.ec != std::errc{} || parsed.ptr != at->second.data() + at->second.size() ||
        (mtu != 0 && mtu < mtu_minimum))
        return bad("invalid MTU: " + at->second);
    return mtu;
}

Result<Subnet> asked_subnet(const IpamConfig& config) {
    Subnet subnet;
    subnet.asked = true;
    const auto prefix = Prefix::parse(config.subnet);
    if (!prefix)
        return bad("invalid network config:\ninvalid subnet " + config.subnet + ": invalid CIDR block notation");
    if (prefix->has_host_bits())
        return bad("invalid network config:\ninvalid subnet " + config.subnet + ": it should be " +
                   prefix->network().text());
    subnet.prefix = *prefix;
    if (!config.range.empty()) {
        const auto range = Prefix::parse(config.range);
        if (!range)
            return bad("invalid network config:\ninvalid ip-range " + config.range + ": invalid CIDR block notation");
        if (!subnet.prefix.contains(*range))
            return bad("invalid network config:\ninvalid ip-range " + config.range + ": parent subnet " +
                       config.subnet + " doesn't contain ip-range");
        if (range->has_host_bits())
            return bad("invalid network config:\ninvalid ip-range " + config.range + ": it should be " +
                       range->network().text());
        subnet.range = *range;
    }
    if (!config.gateway.empty()) {
        const auto gateway = Address::parse(config.gateway);
        if (!gateway) return bad("invalid network config:\ninvalid gateway " + config.gateway + ": invalid address");
        if (!subnet.prefix.contains(*gateway))
            return bad("invalid network config:\ninvalid gateway " + config.gateway + ": parent subnet " +
                       config.subnet + " doesn't contain this address");
        subnet.gateway = *gateway;
    }
    for (const auto& [name, text] : config.auxiliary) {
        const auto address = Address::parse(text);
        if (!address) return bad("invalid network config:\ninvalid auxiliary address " + text + ": invalid address");
        if (!subnet.prefix.contains(*address))
            return bad("invalid network config:\ninvalid auxiliary address " + text + ": parent subnet " +
                       config.subnet + " doesn't contain this address");
        subnet.auxiliary[name] = text;
    }
    return subnet;
}

// The pool with everything taken that no container may have. The gateway is picked here when none was asked for.
Result<void> fill_pool(Subnet& subnet, bool gateway_wanted) {
    subnet.pool = AddressPool(subnet.prefix, subnet.range);
    for (const auto& [name, text] : subnet.auxiliary) {
        TRY_VOID(subnet.pool.reserve(*Address::parse(text)));
    }
    if (subnet.gateway.valid()) return subnet.pool.reserve(subnet.gateway);
    if (!gateway_wanted) return {};
    AddressPool whole(subnet.prefix, {});  // of a range too, the gateway is the subnet's first
    for (const auto& [name, text] : subnet.auxiliary)
        ignore_result(whole.reserve(*Address::parse(text)), "taken above");
    TRY(subnet.gateway, whole.allocate());
    return subnet.pool.reserve(subnet.gateway);
}

bool same_or_inside(const Prefix& a, const Prefix& b) {
    return a.address.size() == b.address.size() && a.overlaps(b);
}

}  // namespace

Result<void> check_options(const Options& options) {
    const auto address = [](const std::string& text, const char* option) -> Result<void> {
        if (text.empty() || Address::parse(text)) return {};
        return bad(std::string(option) + ": '" + text + "' is not an IP address");
    };
    const auto prefix = [](const std::string& text, const char* option, bool v6) -> Result<void> {
        const auto parsed = Prefix::parse(text);
        if (text.empty() || (parsed && parsed->address.is_v6() == v6)) return {};
        return bad(std::string(option) + ": '" + text + "' is not an " + (v6 ? "IPv6" : "IPv4") +
                   " network in CIDR notation");
    };
    if (!options.bridge.empty() && (!options.bip.empty() || !options.bip6.empty()))
        return bad("You specified -b & --bip, mutually exclusive options. Please specify only one");
    if (!options.iptables && !options.icc)
        return bad(
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set "
            "--icc or --iptables to true");
    if (!options.iptables && options.ip_masq && options.ip_forward && options.disabled()) return {};
    TRY_VOID(prefix(options.bip, "--bip", false));
    TRY_VOID(prefix(options.bip6, "--bip6", true));
    TRY_VOID(prefix(options.fixed_cidr, "--fixed-cidr", false));
    TRY_VOID(prefix(options.fixed_cidr_v6, "--fixed-cidr-v6", true));
    TRY_VOID(address(options.default_gateway, "--default-gateway"));
    TRY_VOID(address(options.default_gateway_v6, "--default-gateway-v6"));
    TRY_VOID(address(options.ip, "--ip"));
    TRY_VOID(address(options.host_gateway_ip, "--host-gateway-ip"));
    for (const std::string& server : options.dns) {
        TRY_VOID(address(server, "--dns"));
    }
    if (!options.bip.empty()) {
        const Prefix bip = *Prefix::parse(options.bip);
        if (bip.address == bip.first())
            return bad("--bip: '" + options.bip + "' is the network's own address: name the bridge's, such as " +
                       bip.first().plus(1).text() + "/" + std::to_string(bip.length));
        if (!options.fixed_cidr.empty() && !bip.contains(*Prefix::parse(options.fixed_cidr)))
            return bad("--fixed-cidr " + options.fixed_cidr + " is not in the bridge's network " +
                       bip.network().text());
        if (!options.default_gateway.empty() && !bip.contains(*Address::parse(options.default_gateway)))
            return bad("--default-gateway " + options.default_gateway + " is not in the bridge's network " +
                       bip.network().text());
    }
    if (options.mtu != 0 && options.mtu < mtu_minimum)
        return bad("--mtu: " + std::to_string(options.mtu) + " is too small");
    if (options.bridge.size() > limits::interface_name_bytes_max)
        return bad("--bridge: '" + options.bridge + "' is longer than an interface's name can be");
    if (options.port_first > options.port_last) return bad("--port-range: the first port is above the last");
    return {};
}

std::vector<Prefix> Networks::taken_subnets() const {
    std::vector<Prefix> out;
    for (const auto& [id, network] : networks_)
        for (const Subnet& subnet : network->subnets) out.push_back(subnet.prefix);
    return out;
}

// What the options of the command say, where the network does not say otherwise.
void Networks::resolve_options(Network& network) const {
    if (!network.is_default_bridge()) {
        if (network.bridge.empty()) {
            const auto name = network.spec.options.find(name_option);
            network.bridge = name != network.spec.options.end() && !name->second.empty()
                                 ? name->second
                                 : "br-" + network.id.substr(0, 12);
        }
        return;
    }
    network.bridge = options_.bridge.empty() ? default_bridge_name : options_.bridge;
    StringMap& shown = network.spec.options;
    shown.clear();
    shown["com.docker.network.bridge.default_bridge"] = "true";
    shown[icc_option] = options_.icc ? "true" : "false";
    shown[masquerade_option] = options_.ip_masq ? "true" : "false";
    shown[binding_option] = options_.ip.empty() ? "0.0.0.0" : options_.ip;
    shown[name_option] = network.bridge;
    shown[mtu_option] = std::to_string(options_.mtu == 0 ? 1500 : options_.mtu);
}

Result<void> Networks::resolve_default_bridge(Network& network, const Survey& survey) {
    const auto link = std::find_if(survey.links.begin(), survey.links.end(),
                                   [&](const LinkFacts& facts) { return facts.name == network.bridge; });
    std::vector<Prefix> present;
    if (link != survey.links.end())
        for (const AddressFacts& facts : survey.addresses)
            if (facts.index == link->index) present.push_back(facts.address);
    Subnet v4;
    const auto first_v4 =
        std::find_if(present.begin(), present.end(), [](const Prefix& prefix) { return !prefix.address.is_v6(); });
    if (!options_.bip.empty()) {
        const Prefix bip = *Prefix::parse(options_.bip);
        v4.prefix = bip.network();
        v4.gateway = bip.address;
        v4.asked = true;
    } else if (first_v4 != present.end()) {
        v4.prefix = first_v4->network();
        v4.gateway = first_v4->address;
    } else if (!network.subnets.empty() && options_.bridge.empty()) {
        v4 = network.subnets[0];  // as it was before the host was started again
    } else if (!options_.bridge.empty()) {
        return bad("the bridge " + network.bridge +
                   " has no IPv4 address: give it one, its network is the containers'");
    }
    std::vector<Prefix> taken = taken_subnets();
    for (const Subnet& own : network.subnets) std::erase(taken, own.prefix);
    for (const Prefix& route : survey.routes)
        if (std::none_of(present.begin(), present.end(), [&](const Prefix& own) { return own.network() == route; }))
            taken.push_back(route);
    for (const AddressFacts& facts : survey.addresses)
        if (link == survey.links.end() || facts.index != link->index) taken.push_back(facts.address.network());
    const bool clashes = v4.prefix.valid() && !v4.asked && first_v4 == present.end() &&
                         std::any_of(taken.begin(), taken.end(), [&](const Prefix& other) {
                             return other.length > 0 && same_or_inside(other, v4.prefix);
                         });
    if (!v4.prefix.valid() || clashes) {
        v4 = {};
        TRY(v4.prefix, choose_subnet(taken, true));
    }
    if (!options_.fixed_cidr.empty()) {
        v4.range = Prefix::parse(options_.fixed_cidr)->network();
        if (!v4.prefix.contains(v4.range))
            return bad("--fixed-cidr " + options_.fixed_cidr + " is not in the bridge's network " + v4.prefix.text());
    }
    TRY_VOID(fill_pool(v4, true));
    if (!options_.default_gateway.empty()) {
        const Address gateway = *Address::parse(options_.default_gateway);
        if (!v4.prefix.contains(gateway))
            return bad("--default-gateway " + options_.default_gateway + " is not in the bridge's network " +
                       v4.prefix.text());
        if (!v4.pool.holds(gateway)) {
            TRY_VOID(v4.pool.reserve(gateway));
        }
    }
    network.subnets.clear();
    network.subnets.push_back(std::move(v4));
    network.spec.ipv6 = options_.ipv6 || !options_.bip6.empty();
    if (!network.spec.ipv6) return {};
    Subnet v6;
    v6.asked = true;
    const std::string& text = options_.bip6.empty() ? options_.fixed_cidr_v6 : options_.bip6;
    if (text.empty()) return bad("--ipv6 needs a network: give it one by --fixed-cidr-v6");
    const Prefix prefix = *Prefix::parse(text);
    v6.prefix = prefix.network();
    if (!options_.bip6.empty()) v6.gateway = prefix.address;
    TRY_VOID(fill_pool(v6, true));
    network.subnets.push_back(std::move(v6));
    return {};
}

Result<void> Networks::resolve_subnets(Network& network, const Survey& survey) {
    if (!network.subnets.empty()) {  // from its row
        for (Subnet& subnet : network.subnets) {
            TRY_VOID(fill_pool(subnet, subnet.gateway.valid()));
        }
        return {};
    }
    // On the host's own network the gateway is a machine out there: the user knows which.
    const bool gateway_wanted = !network.is_stacked();
    const std::vector<Prefix> ours = taken_subnets();
    std::vector<Prefix> taken = ours;
    taken.insert(taken.end(), survey.routes.begin(), survey.routes.end());
    for (const AddressFacts& facts : survey.addresses) taken.push_back(facts.address.network());
    bool has_v4 = false;
    bool has_v6 = false;
    for (const IpamConfig& config : network.spec.ipam) {
        if (config.subnet.empty()) {
            if (!config.range.empty() || !config.gateway.empty())
                return bad("invalid network config:\nuser specified ip-range or gateway needs a subnet");
            continue;
        }
        TRY(auto subnet, asked_subnet(config));
        const bool v6 = subnet.prefix.address.is_v6();
        if (v6 && !network.spec.ipv6)
            return bad("invalid network config:\nIPv6 has not been enabled for this network: " + config.subnet);
        // An asked subnet may lie where a route leads: the user knows. Only networks of ours must not meet.
        for (const Prefix& other : ours)
            if (other.overlaps(subnet.prefix) && other.address.size() == subnet.prefix.address.size())
                return fail(ErrorKind::forbidden,
                            "invalid pool request: Pool overlaps with other one on this address space");
        (v6 ? has_v6 : has_v4) = true;
        TRY_VOID(fill_pool(subnet, gateway_wanted));
        network.subnets.push_back(std::move(subnet));
    }
    if (!has_v4 && network.spec.ipv4) {
        Subnet subnet;
        TRY(subnet.prefix, choose_subnet(taken, false));
        TRY_VOID(fill_pool(subnet, gateway_wanted));
        network.subnets.push_back(std::move(subnet));
    }
    if (!has_v6 && network.spec.ipv6) {
        // A unique local network of the network's own id (RFC 4193).
        Subnet subnet;
        std::uint8_t bytes[16] = {0xfd};
        for (std::size_t i = 1; i < 8; ++i)
            std::from_chars(network.id.data() + 2 * i, network.id.data() + 2 * i + 2, bytes[i], 16);
        subnet.prefix = {Address::from_bytes(bytes, true), 64};
        TRY_VOID(fill_pool(subnet, gateway_wanted));
        network.subnets.push_back(std::move(subnet));
    }
    return {};
}

Task<void> Networks::resolve(std::shared_ptr<Network> network) {
    if (network->is_stacked()) {
        CO_TRY(network->mtu, mtu_of(network->spec.options, 0));
        CO_TRY(const auto now, co_await worker_.survey());
        CO_TRY_VOID(resolve_stacked(*network, now));
        auto resolved = resolve_subnets(*network, now);
        co_return resolved;
    }
    resolve_options(*network);
    const StringMap& options = network->spec.options;
    CO_TRY(network->between_containers, boolean_option(options, icc_option, true));
    CO_TRY(network->masquerade, boolean_option(options, masquerade_option, true));
    CO_TRY(network->mtu, mtu_of(options, network->is_overlay() ? 0 : options_.mtu));
    if (network->is_default_bridge()) network->mtu = options_.mtu;
    const auto binding = options.find(binding_option);
    network->host_binding = Address::v4(0);
    if (!options_.ip.empty()) network->host_binding = *Address::parse(options_.ip);
    if (binding != options.end()) {
        const auto address = Address::parse(binding->second);
        if (!address)
            co_return fail(ErrorKind::invalid,
                           "invalid value for " + std::string(binding_option) + ": " + binding->second);
        network->host_binding = *address;
    }
    if (network->bridge.size() > limits::interface_name_bytes_max ||
        network->bridge.find_first_of("/ \t:") != std::string::npos)
        co_return fail(ErrorKind::invalid, "invalid bridge name: '" + network->bridge + "'");
    for (const auto& [id, other] : networks_)
        if (other != network && other->bridge == network->bridge)
            co_return fail(ErrorKind::forbidden,
                           "bridge name " + network->bridge + " is used by network " + other->spec.name);
    CO_TRY(const auto survey, co_await worker_.survey());
    if (network->is_overlay()) {
        CO_TRY_VOID(resolve_overlay(*network, survey));
    }
    if (network->is_default_bridge()) {
        CO_TRY_VOID(resolve_default_bridge(*network, survey));
    } else {
        CO_TRY_VOID(resolve_subnets(*network, survey));
    }
    for (Subnet& subnet : network->subnets)
        if (const std::uint64_t cursor = store_.cursor(network->id + subnet.prefix.text()); cursor != 0)
            subnet.pool.set_cursor(cursor);
    co_return Result<void>{};
}

Task<bool> Networks::make_bridge(std::shared_ptr<Network> network) {
    BridgePlan plan;
    plan.name = network->bridge;
    plan.mtu = network->mtu;
    plan.make = !network->is_default_bridge() || options_.bridge.empty() || options_.bridge == default_bridge_name;
    for (const Subnet& subnet : network->subnets) {
        plan.addresses.push_back({subnet.gateway, subnet.prefix.length});
        if (plan.hardware == HardwareAddress()) plan.hardware = HardwareAddress::from_address(subnet.gateway);
    }
    // The bridges of one VXLAN may have the same address each: what tells them apart is the network's id.
    if (network->is_overlay())
        plan.hardware = HardwareAddress::from_address(
            Address::v4(static_cast<std::uint32_t>(std::stoul(network->id.substr(0, 8), nullptr, 16))));
    plan.bridge_filter = !network->between_containers && options_.iptables;
    plan.forward_v4 = options_.ip_forward && network->spec.ipv4;
    plan.forward_v6 = options_.ip_forward && network->spec.ipv6;
    CO_TRY(const auto made, co_await worker_.make_bridge(std::move(plan)));
    for (const std::string& warning : made.warnings) log_warn("bridge " + network->bridge + ": " + warning);
    co_return made.existed;
}

FirewallState Networks::firewall_state() const {
    FirewallState out;
    for (const std::string& id : order_) {
        const Network& network = *networks_.at(id);
        if (!network.is_bridge()) continue;
        FilteredNetwork filtered;
        filtered.bridge = network.bridge;
        for (const Subnet& subnet : network.subnets) filtered.subnets.push_back(subnet.prefix);
        filtered.internal = network.spec.internal;
        filtered.between_containers = network.between_containers;
        filtered.masquerade = network.masquerade;
        out.networks.push_back(std::move(filtered));
    }
    out.ports = ports_;
    out.flows = flows_;
    return out;
}

// One transaction from the state of now. A kernel without nf_tables is told once, then gone without.
Task<void> Networks::apply_table() {
    if (!options_.iptables || !firewall_fault_.empty()) co_return Result<void>{};
    std::string transaction = whole_table(options_.table, firewall_state());
    auto applied = co_await worker_.firewall(std::move(transaction));
    if (!applied && applied.error().kind() == ErrorKind::not_implemented) {
        firewall_fault_ = applied.error().message();
        warnings_.push_back("WARNING: No address translation and no filtering: " + firewall_fault_ +
                            ". Containers reach each other and the host, no ports can be published");
        log_warn(warnings_.back());
        co_return Result<void>{};
    }
    if (applied && !watching_) {
        auto events = open_rules_events(rules_port(getpid()));
        watching_ = events.has_value();
        if (events) {
            scope_.spawn("nftables events", watch_rules(std::move(*events)));
        } else {
            log_warn("rules that somebody removes will be missing: " + events.error().message());
        }
    }
    co_return applied;
}

namespace {

// Everything that has been told by now. Told too much at once for the socket: it may have been about us.
bool read_removals(int events, const std::string& table, std::string& buffer) {
    bool removed = false;
    while (true) {
        const ssize_t got = ::recv(events, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == ENOBUFS) removed = true;
        if (got < 0 && errno == EAGAIN) return removed;
        if (got <= 0) continue;
        const std::string_view messages(buffer.data(), static_cast<std::size_t>(got));
        removed = tells_removal(messages, table, rules_port(getpid())) || removed;
    }
}

}  // namespace

// A firewall's own tool that begins with `flush ruleset` takes everybody's rules along.
Task<void> Networks::watch_rules(UniqueFd events) {
    std::string buffer(limits::netlink_buffer_bytes, '\0');
    while (true) {
        auto told = co_await io::poll(events.get(), POLLIN, scope_.token());
        if (!told) co_return Result<void>{};
        if (!read_removals(events.get(), options_.table, buffer)) continue;
        // Who flushes is seldom done with that.
        auto slept = co_await reactor::sleep_for(rules_settle, scope_.token());
        if (!slept) co_return Result<void>{};
        read_removals(events.get(), options_.table, buffer);
        log_warn("somebody removed nftables rules of the table " + options_.table + ": writing them again");
        auto applied = co_await apply_table();
        if (!applied) log_error("writing the nftables rules: " + applied.error().message());
    }
}

namespace {

bool belongs_to(const std::string& link, const std::string& bridge) {
    if (link == bridge) return true;
    for (unsigned number = 1; number <= limits::further_bridges_max; ++number)
        if (link == further_bridge(bridge, number)) return true;
    return false;
}

}  // namespace

// An engine that died between joining a running container to a network and recording it has left a link: of the names
// that we give, on a bridge of ours, and no endpoint's.
Task<void> Networks::sweep_links() {
    CO_TRY(const auto survey, co_await worker_.survey());
    std::set<std::string> known;
    std::set<std::uint32_t> bridges;
    for (const auto& [id, network] : networks_) {
        for (const auto& [container, endpoint] : network->endpoints) known.insert(endpoint->host_link);
        for (const LinkFacts& link : survey.links)
            if (network->is_bridge() && link.kind == "bridge" && belongs_to(link.name, network->bridge))
                bridges.insert(link.index);
    }
    for (const LinkFacts& link : survey.links) {
        const bool ours = link.name.size() == 11 && link.name.starts_with("veth") &&
                          link.name.find_first_not_of("0123456789abcdef", 4) == std::string::npos;
        if (!ours || !bridges.contains(link.master) || known.contains(link.name)) continue;
        auto removed = co_await worker_.remove_link(link.name);
        if (!removed) log_warn(removed.error().message());
    }
    co_return Result<void>{};
}

Task<void> Networks::start(std::vector<std::shared_ptr<Sandbox>> in_use) {
    const bool any = std::any_of(networks_.begin(), networks_.end(),
                                 [](const auto& entry) { return entry.second->has_endpoints(); });
    if (!any) {
        started_.set();
        co_return Result<void>{};
    }
    const std::vector<std::string> ids = order_;
    for (const std::string& id : ids) {
        auto network = networks_.at(id);
        if (!network->has_endpoints()) continue;
        auto made = co_await resolve(network);
        if (made) made = co_await make_links(network);
        if (!made && network->predefined)
            co_return fail(std::move(made.error())
                               .with_context("failed to start daemon: Error initializing network controller: error "
                                             "creating default \"bridge\" "
                                             "network"));
        if (!made) log_error("network " + network->spec.name + ": " + made.error().message());
        if (network->predefined || network->parent_made) {
            CO_TRY_VOID(save(*network));
        }
    }
    serve_peers();
    for (const auto& sandbox : in_use) {
        if (auto restored = restore(sandbox); !restored)
            log_error("container " + sandbox->container_id + ": " + restored.error().message());
    }
    auto swept = co_await sweep_links();
    if (!swept) log_warn("looking for interfaces that nobody has: " + swept.error().message());
    auto applied = co_await apply_table();
    if (applied) started_.set();
    co_return applied;
}

std::string Networks::host_gateway() const {
    if (!options_.host_gateway_ip.empty()) return options_.host_gateway_ip;
    const auto bridge = find("bridge");
    if (!bridge || (*bridge)->subnets.empty()) return {};
    return (*bridge)->subnets[0].gateway.text();
}

}  // namespace engine::net
