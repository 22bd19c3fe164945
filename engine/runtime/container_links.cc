// Links of the default bridge: a container knows others by names of its own, in its environment, in its hosts file and
// in `/web/db`, the name that the other one has with it. Docker's way of before there were networks with names.
#include <algorithm>
#include <tuple>

#include "engine/net/networks.h"
#include "engine/net/resolver_files.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/network_files.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

constexpr int shared_namespaces_max = 16;  // one container's in another's

std::string upper(std::string text) {
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return text;
}

// What a linked container is called in the hosts file.
std::string host_names(const Container& target, const std::string& alias) {
    std::string out = alias + " " + target.spec.hostname;
    if (alias != target.name) out += " " + target.name;
    return out;
}

class LinkVariables {
public:
    LinkVariables(std::string alias, std::string address) : address_(std::move(address)) {
        prefix_ = upper(std::move(alias));
        std::replace(prefix_.begin(), prefix_.end(), '-', '_');
    }

    void add(const std::string& name, const std::string& value) { out_.push_back(prefix_ + name + "=" + value); }

    void add_port(const net::PortRequest& port) {
        const std::string name = port_name(port);
        add(name, url(port));
        add(name + "_ADDR", address_);
        add(name + "_PORT", std::to_string(port.container_port));
        add(name + "_PROTO", std::string(net::protocol_word(port.protocol)));
    }

    // Consecutive ports of one protocol are told as a range, too.
    void add_range(const net::PortRequest& first, const net::PortRequest& last) {
        const std::string name = port_name(first);
        add(name + "_START", url(first));
        add(name + "_PORT_START", std::to_string(first.container_port));
        add(name + "_END", url(last));
        add(name + "_PORT_END", std::to_string(last.container_port));
    }

    std::string url(const net::PortRequest& port) const {
        return std::string(net::protocol_word(port.protocol)) + "://" + address_ + ":" +
               std::to_string(port.container_port);
    }
    std::vector<std::string> take() { return std::move(out_); }

private:
    static std::string port_name(const net::PortRequest& port) {
        return "_PORT_" + std::to_string(port.container_port) + "_" +
               upper(std::string(net::protocol_word(port.protocol)));
    }
    std::string prefix_, address_;
    std::vector<std::string> out_;
};

// In Docker's order: TCP first, then by number.
std::vector<std::string> variables_of(const Container& target, const std::string& alias, const std::string& full_name,
                                      const std::string& address) {
    std::vector<net::PortRequest> ports = target.network->exposed;
    std::sort(ports.begin(), ports.end(), [](const net::PortRequest& a, const net::PortRequest& b) {
        const auto rank = [](const net::PortRequest& p) {
            return std::tuple(p.protocol != net::Protocol::tcp, net::protocol_word(p.protocol), p.container_port);
        };
        return rank(a) < rank(b);
    });
    LinkVariables out(alias, address);
    if (!ports.empty()) out.add("_PORT", out.url(ports[0]));
    std::size_t first = 0;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        out.add_port(ports[i]);
        const bool goes_on = i + 1 < ports.size() && ports[i + 1].protocol == ports[i].protocol &&
                             ports[i + 1].container_port == ports[i].container_port + 1;
        if (goes_on) continue;
        if (i > first) out.add_range(ports[first], ports[i]);
        first = i + 1;
    }
    out.add("_NAME", full_name);
    for (const std::string& variable : target.spec.env) {
        const std::size_t equals = variable.find('=');
        const std::string name = variable.substr(0, equals);
        if (equals == std::string::npos || name == "HOME" || name == "PATH") continue;
        out.add("_ENV_" + name, variable.substr(equals + 1));
    }
    return out.take();
}

// By id, in the body that is kept.
void store_links(Container& container) {
    json::Writer texts;
    texts.begin_array();
    for (const LinkSpec& link : container.network->links) texts.string(link.container + ":" + link.alias);
    const std::string text = texts.end_array().take();
    set_host_config(container.spec, {{"Links", container.network->links.empty() ? "null" : text}});
}

}  // namespace

// Who shares a namespace is reached where its owner is.
Result<std::shared_ptr<Container>> ContainerService::link_target(const std::string& reference) const {
    std::string name = reference;
    for (int hop = 0; hop < shared_namespaces_max; ++hop) {
        auto found = find(name);
        // A "not found" would tell a client that the image is missing.
        if (!found)
            return fail(std::move(found.error())
                            .with_context("could not get container for " + reference)
                            .with_kind(ErrorKind::invalid));
        if ((*found)->network->kind != NetworkKind::container) return found;
        name = (*found)->network->peer;
    }
    return fail(ErrorKind::invalid, "could not get container for " + reference + ": it shares a network in a circle");
}

// At create: a link names a container that is there. From here on it follows that container, whatever it is called.
Result<void> ContainerService::resolve_links(Container& container) {
    ContainerNetwork& network = *container.network;
    if (network.links.empty()) return {};
    for (LinkSpec& link : network.links) {
        TRY(const auto target, link_target(link.container));
        if (target->network->kind == NetworkKind::host)
            return fail(ErrorKind::invalid,
                        "conflicting options: host type networking can't be used with links. This would result in "
                        "undefined behavior");
        link.container = target->id;
        link.name = target->name;
    }
    store_links(container);
    return {};
}

void ContainerService::register_links(const Container& container) {
    for (const LinkSpec& link : container.network->links) linked_by_[link.container].insert(container.id);
}

void ContainerService::forget_links(const Container& container) {
    for (const LinkSpec& link : container.network->links) {
        const auto at = linked_by_.find(link.container);
        if (at == linked_by_.end()) continue;
        at->second.erase(container.id);
        if (at->second.empty()) linked_by_.erase(at);
    }
}

std::vector<std::shared_ptr<Container>> ContainerService::linkers_of(const Container& target) const {
    std::vector<std::shared_ptr<Container>> out;
    const auto at = linked_by_.find(target.id);
    if (at == linked_by_.end()) return out;
    for (const std::string& id : at->second)
        if (const auto found = containers_.find(id); found != containers_.end()) out.push_back(found->second);
    return out;
}

// "/web/db": what others call it.
std::vector<std::string> ContainerService::link_names(const Container& target) const {
    std::vector<std::string> out;
    for (const auto& parent : linkers_of(target))
        for (const LinkSpec& link : parent->network->links)
            if (link.container == target.id) out.push_back("/" + parent->name + "/" + link.alias);
    return out;
}

// "/db:/web/db", as inspect shows it.
std::vector<std::string> ContainerService::links_shown(const Container& container) const {
    std::vector<std::string> out;
    for (const LinkSpec& link : container.network->links)
        if (const auto found = containers_.find(link.container); found != containers_.end())
            out.push_back("/" + found->second->name + ":/" + container.name + "/" + link.alias);
    return out;
}

std::shared_ptr<Container> ContainerService::find_by_link(std::string_view name) const {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return nullptr;
    const auto parent = ids_by_name_.find(name.substr(0, slash));
    if (parent == ids_by_name_.end()) return nullptr;
    for (const LinkSpec& link : containers_.find(parent->second)->second->network->links) {
        const auto target = containers_.find(link.container);
        if (link.alias == name.substr(slash + 1) && target != containers_.end()) return target->second;
    }
    return nullptr;
}

const net::Endpoint* ContainerService::on_default_bridge(const Container& container) const {
    const auto bridge = networks_.find("bridge");
    const net::Sandbox* sandbox = container.network->sandbox.get();
    return bridge && sandbox ? sandbox->on((*bridge)->id) : nullptr;
}

// Before it starts: whoever it is linked to runs, where links lead.
Result<void> ContainerService::check_links(const Container& container) const {
    for (const LinkSpec& link : container.network->links) {
        const auto found = containers_.find(link.container);
        if (found == containers_.end() || !found->second->running())
            return fail(ErrorKind::internal,
                        "Cannot link to a non running container: /" +
                            (found == containers_.end() ? link.name : found->second->name) + " AS /" + container.name +
                            "/" + link.alias);
        if (!on_default_bridge(*found->second))
            return fail(ErrorKind::internal,
                        "container " + found->first + " not attached to default bridge network");
    }
    return {};
}

std::vector<net::HostsEntry> ContainerService::link_hosts(const Container& container) const {
    std::vector<net::HostsEntry> out;
    for (const LinkSpec& link : container.network->links) {
        const auto found = containers_.find(link.container);
        const net::Endpoint* endpoint = found == containers_.end() ? nullptr : on_default_bridge(*found->second);
        if (endpoint) out.push_back({endpoint->v4.address.text(), host_names(*found->second, link.alias)});
    }
    return out;
}

void ContainerService::set_link_variables(Container& container) const {
    container.network->link_variables.clear();
    for (const LinkSpec& link : container.network->links) {
        const auto found = containers_.find(link.container);
        const net::Endpoint* endpoint = found == containers_.end() ? nullptr : on_default_bridge(*found->second);
        if (!endpoint) continue;
        auto variables = variables_of(*found->second, link.alias, "/" + container.name + "/" + link.alias,
                                      endpoint->v4.address.text());
        auto& all = container.network->link_variables;
        std::move(variables.begin(), variables.end(), std::back_inserter(all));
    }
}

// It has an address now, perhaps another than before: those that link to it and run are told in their hosts files.
void ContainerService::tell_linkers(const Container& target) const {
    const net::Endpoint* endpoint = on_default_bridge(target);
    if (!endpoint) return;
    for (const auto& parent : linkers_of(target)) {
        if (!parent->running()) continue;
        for (const LinkSpec& link : parent->network->links) {
            if (link.container != target.id) continue;
            change_host(*parent, {endpoint->v4.address.text(), host_names(target, link.alias)});
        }
    }
}

void ContainerService::change_host(const Container& container, const net::HostsEntry& entry) const {
    const std::string path = directory_of(container) + "/hosts";
    auto written = write_network_file(path, net::with_host(host_file(path.c_str()), entry));
    if (!written) log_warn("container " + container.id + ": " + written.error().message());
}

bool ContainerService::is_linked(const Container& container) const {
    return !container.network->links.empty() || linked_by_.contains(container.id);
}

// With --icc=false: the exposed ports of those that are linked to, for those that link to them, while both run.
Task<void> ContainerService::open_links() {
    if (!networks_.default_bridge_is_closed()) co_return Result<void>{};
    std::vector<net::AllowedFlow> flows;
    for (const auto& [target_id, parents] : linked_by_) {
        const auto target = containers_.find(target_id);
        const net::Endpoint* to = target == containers_.end() ? nullptr : on_default_bridge(*target->second);
        if (!to) continue;
        for (const std::string& parent_id : parents) {
            const auto parent = containers_.find(parent_id);
            const net::Endpoint* from = parent == containers_.end() ? nullptr : on_default_bridge(*parent->second);
            if (!from) continue;
            for (const net::PortRequest& port : target->second->network->exposed)
                flows.push_back({from->v4.address, to->v4.address, port.protocol, port.container_port});
        }
    }
    auto set = co_await networks_.set_flows(std::move(flows));
    co_return set;
}

// `rm --link`: the name goes, both containers stay.
Task<void> ContainerService::remove_link(std::string_view reference) {
    CO_TRY(const auto target, find(reference));
    std::string name(reference);
    if (name.starts_with('/')) name.erase(0, 1);
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos)
        co_return fail(ErrorKind::internal, "Conflict, cannot remove the default link name of the container");
    CO_TRY(auto parent, find(name.substr(0, slash)));
    CO_TRY(auto held, co_await parent->lane.enter());
    auto& links = parent->network->links;
    const std::string alias = name.substr(slash + 1);
    forget_links(*parent);
    std::erase_if(links, [&](const LinkSpec& link) { return link.alias == alias; });
    register_links(*parent);
    store_links(*parent);
    CO_TRY_VOID(save_new(*parent));
    if (parent->running()) change_host(*parent, {"", alias});
    auto opened = co_await open_links();
    co_return opened;
}

}  // namespace engine::runtime
