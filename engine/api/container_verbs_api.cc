#include "engine/api/container_verbs_api.h"

#include <optional>

#include "engine/api/body.h"
#include "engine/api/container_filters.h"
#include "engine/api/containers_api.h"
#include "engine/api/parameters.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/event.h"
#include "engine/runtime/ps_output.h"

namespace engine::api {
namespace {

Task<std::string> prune_selected(Services& services, const PruneSelection& selection, reactor::StopToken stop) {
    std::vector<std::shared_ptr<runtime::Container>> candidates;
    for (const auto& [id, container] : services.containers->all())
        if (selection.takes(*container)) candidates.push_back(container);
    std::vector<std::string> deleted;
    std::int64_t reclaimed = 0;
    for (const auto& container : candidates) {
        if (stop.stop_requested()) break;
        auto sizes = co_await sizes_of(services, container, true, stop);
        if (!sizes && container->removed.is_set()) continue;
        if (!sizes) co_return fail(std::move(sizes.error()));
        if (!selection.takes(*container)) continue;   // it was started meanwhile
        auto removed = co_await services.containers->remove(container->id, false);
        if (!removed) {
            log_warn("failed to prune container " + container->id + ": " + removed.error().message());
            continue;
        }
        reclaimed += sizes->value_or(ContainerSizes{}).writable;
        deleted.push_back(container->id);
    }
    services.events->publish("container", "prune", "", {{"reclaimed", std::to_string(reclaimed)}});
    json::Writer w;
    w.begin_object().key("ContainersDeleted");
    if (deleted.empty()) {
        w.null();
    } else {
        w.value(deleted);
    }
    co_return w.field("SpaceReclaimed", reclaimed).end_object().take() + "\n";
}

}  // namespace

Task<void> restart_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view signal = request.version >= ApiVersion{1, 42} ? request.parameter("signal") : "";
    std::optional<long> timeout;
    if (!request.parameter("t").empty()) {
        CO_TRY(timeout, integer_parameter(request, "t", 0));
    }
    CO_TRY_VOID(co_await services.containers->restart(reference, signal, timeout));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> pause_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY_VOID(co_await services.containers->pause(reference));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> unpause_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY_VOID(co_await services.containers->unpause(reference));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> rename_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view name = request.parameter("name");
    CO_TRY_VOID(co_await services.containers->rename(reference, name));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> top_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view arguments = request.parameter("ps_args");
    CO_TRY(const auto table, co_await services.containers->top(reference, arguments, request.stop));
    json::Writer w;
    w.begin_object().key("Processes").begin_array();
    for (const auto& process : table.processes) w.value(process);
    w.end_array().field("Titles", table.titles).end_object();
    std::string answer = w.take() + "\n";
    auto done = co_await response.send_json(200, std::move(answer));
    co_return done;
}

Task<void> update_container(Services& services, Request& request, Response& response) {
    CO_TRY_VOID(check_json_type(request));
    CO_TRY(const auto body, co_await read_whole_body(request));
    const std::string_view reference = request.captures[0];
    const std::string_view text = body;
    runtime::UpdateRules rules;
    rules.pids_limit = request.version >= ApiVersion{1, 40};
    rules.kernel_memory = request.version < ApiVersion{1, 42};
    CO_TRY(const auto warnings, co_await services.containers->update(reference, text, rules));
    json::Writer w;
    w.begin_object().key("Warnings");
    if (warnings.empty()) {
        w.null();
    } else {
        w.value(warnings);
    }
    std::string answer = w.end_object().take() + "\n";
    auto done = co_await response.send_json(200, std::move(answer));
    co_return done;
}

// One at a time, as dockerd. A container that cannot be removed is left and told in the log.
Task<void> prune_containers(Services& services, Request& request, Response& response) {
    CO_TRY(auto filters, parse_filters(request.parameter("filters")));
    CO_TRY(const PruneSelection selection, PruneSelection::of(std::move(filters), realtime_ns()));
    if (services.pruning) co_return fail(ErrorKind::conflict, "a prune operation is already running");
    services.pruning = true;
    auto pruned = co_await prune_selected(services, selection, request.stop);
    services.pruning = false;
    CO_TRY(std::string answer, std::move(pruned));
    auto done = co_await response.send_json(200, std::move(answer));
    co_return done;
}

}  // namespace engine::api
