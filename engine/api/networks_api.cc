#include "engine/api/networks_api.h"

#include <simdjson.h>

#include <algorithm>

#include "engine/api/body.h"
#include "engine/api/network_json.h"
#include "engine/api/services.h"
#include "engine/api/time_parameter.h"
#include "engine/net/networks.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/event.h"

namespace engine::api {
namespace {

constexpr ApiVersion summaries_since{1, 28};   // before, the list has each network's containers

void publish(const Services& services, const net::Network& network, std::string_view action) {
    services.events->publish("network", action, network.id,
                             {{"name", network.spec.name}, {"type", network.spec.driver}});
}

// By a running endpoint, or by the wish of a stopped container.
bool is_used(const Services& services, const net::Network& network) {
    if (!network.endpoints.empty()) return true;
    for (const auto& [id, container] : services.containers->all())
        for (const runtime::EndpointSettings& endpoint : container->network->endpoints) {
            const auto found = services.networks->find(endpoint.network);
            if (found && (*found)->id == network.id) return true;
        }
    return false;
}

struct ConnectBody {
    std::string container;
    bool force = false;
    std::string endpoint_json;
};
Result<ConnectBody> parse_connect(std::string_view body) {
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
    simdjson::dom::parser parser;
    simdjson::dom::element root, endpoint;
    if (auto error = parser.parse(body.data(), body.size()).get(root); error != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, std::string("invalid JSON: ") + simdjson::error_message(error));
    ConnectBody out;
    std::string_view container;
    if (root["Container"].get(container) == simdjson::SUCCESS) out.container = std::string(container);
    ignore_result(root["Force"].get(out.force), "false when it is not there");
    if (root["EndpointConfig"].get(endpoint) == simdjson::SUCCESS) out.endpoint_json = simdjson::minify(endpoint);
    return out;
}

}  // namespace

Task<void> list_networks(Services& services, Request& request, Response& response) {
    CO_TRY(const auto filters, parse_filters(request.parameter("filters")));
    CO_TRY_VOID(check_network_filters(filters));
    json::Writer w;
    w.begin_array();
    for (const auto& network : services.networks->all())
        if (network_passes(*network, filters, is_used(services, *network)))
            write_network(w, *network, request.version < summaries_since);
    w.end_array();
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> inspect_network(Services& services, Request& request, Response& response) {
    const std::string_view scope = request.parameter("scope");
    if (!scope.empty() && scope != "local")
        co_return fail(ErrorKind::not_found, "network " + request.captures[0] + " not found");
    CO_TRY(const auto network, services.networks->find(request.captures[0]));
    json::Writer w;
    write_network(w, *network, true);
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> create_network(Services& services, Request& request, Response& response) {
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(auto spec, parse_network_create(body, request.version));
    CO_TRY(const auto network, co_await services.networks->create(std::move(spec)));
    publish(services, *network, "create");
    json::Writer w;
    w.begin_object().field("Id", network->id).field("Warning", "").end_object();
    std::string answer = w.take();
    auto sent = co_await response.send_json(201, std::move(answer));
    co_return sent;
}

Task<void> remove_network(Services& services, Request& request, Response& response) {
    std::string reference = request.captures[0];
    CO_TRY(const auto network, co_await services.networks->remove(std::move(reference)));
    publish(services, *network, "destroy");
    auto sent = co_await response.send_empty(204);
    co_return sent;
}

Task<void> connect_network(Services& services, Request& request, Response& response) {
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(const auto asked, parse_connect(body));
    CO_TRY(auto settings, runtime::parse_endpoint_settings(asked.endpoint_json, request.captures[0]));
    std::string network = request.captures[0];
    CO_TRY_VOID(co_await services.containers->connect(asked.container, std::move(network), std::move(settings)));
    auto sent = co_await response.send_empty(200);
    co_return sent;
}

Task<void> disconnect_network(Services& services, Request& request, Response& response) {
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(const auto asked, parse_connect(body));
    std::string network = request.captures[0];
    CO_TRY_VOID(co_await services.containers->disconnect(asked.container, std::move(network), asked.force));
    auto sent = co_await response.send_empty(200);
    co_return sent;
}

Task<void> plug_interface(Services& services, Request& request, Response& response) {
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(auto wanted, parse_plug(body));
    CO_TRY(const auto name, co_await services.containers->plug(request.captures[0], std::move(wanted)));
    json::Writer w;
    w.begin_object().field("Name", name).end_object();
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> unplug_interface(Services& services, Request& request, Response& response) {
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(auto wanted, parse_plug(body));
    std::string name = wanted.name;
    CO_TRY_VOID(co_await services.containers->unplug(request.captures[0], std::move(name)));
    auto sent = co_await response.send_empty(204);
    co_return sent;
}

// Filters: label, label!, until.
Task<void> prune_networks(Services& services, Request& request, Response& response) {
    CO_TRY(const auto filters, parse_filters(request.parameter("filters")));
    CO_TRY_VOID(check_filters(filters, {"label", "label!", "until"}));
    const Nanoseconds now = realtime_ns();
    Nanoseconds until = now;
    for (const std::string& text : filter_values(filters, "until")) {
        CO_TRY(const auto parsed, parse_time(text, now));
        until = parsed.value_or(now);
    }
    const auto& labels = filter_values(filters, "label");
    const auto& without = filter_values(filters, "label!");
    std::vector<std::string> removed;
    const auto networks = services.networks->all();
    for (const auto& network : networks) {
        const net::StringMap& own = network->spec.labels;
        const auto has = [&own](const std::string& label) { return has_label(own, label); };
        if (network->predefined || network->created_at > until || is_used(services, *network)) continue;
        if (!std::all_of(labels.begin(), labels.end(), has)) continue;
        if (std::any_of(without.begin(), without.end(), has)) continue;
        std::string id = network->id;
        auto gone = co_await services.networks->remove(std::move(id));
        if (!gone) continue;   // somebody joined it meanwhile
        publish(services, *network, "destroy");
        removed.push_back(network->spec.name);
    }
    json::Writer w;
    w.begin_object().key("NetworksDeleted");
    if (removed.empty()) {
        w.null();
    } else {
        w.value(removed);
    }
    w.end_object();
    services.events->publish("network", "prune", "", {{"reclaimed", "0"}});
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
