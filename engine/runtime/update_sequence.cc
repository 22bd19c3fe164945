// update: the row first, then the control groups of a run; a limit that the kernel refuses takes both back.
#include "engine/net/networks.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/cgroup_file.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/launch_input.h"
#include "engine/runtime/resource_check.h"
#include "engine/runtime/restart_policy.h"
#include "engine/runtime/spec_json.h"
#include "engine/runtime/spec_update.h"

namespace engine::runtime {
namespace {

// Some limits bound each other (memory and memory with swap, period and quota), so what is refused may go after the
// others.
Task<void> write_all(std::vector<LaunchCgroupWrite> writes) {
    std::vector<LaunchCgroupWrite> later;
    for (const LaunchCgroupWrite& each : writes) {
        auto written = co_await write_cgroup_file(each.path, each.value);
        if (!written && !each.optional) later.push_back(each);
    }
    for (const LaunchCgroupWrite& each : later) {
        CO_TRY_VOID(co_await write_cgroup_file(each.path, each.value));
    }
    co_return Result<void>{};
}

}  // namespace

Task<std::vector<std::string>> ContainerService::update(std::string_view reference, std::string_view body,
                                                        UpdateRules rules) {
    CO_TRY(auto wanted, parse_update_body(body));
    if (!rules.pids_limit) wanted.pids_limit_said = false;
    if (!rules.kernel_memory) wanted.kernel_memory = 0;
    CO_TRY_VOID(check_restart_policy(wanted.restart));
    CO_TRY(auto warnings, check_resources(wanted, cgroup_support_, true));
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    auto updated = co_await update_found(container, wanted);
    if (!updated)
        co_return fail(std::move(updated.error()).with_context("Cannot update container " + container->id));
    publish(*container, "update");
    co_return warnings;
}

Task<void> ContainerService::update_found(std::shared_ptr<Container> container, const ContainerSpec& wanted) {
    if (container->removing || container->removed.is_set())
        co_return fail(ErrorKind::conflict, "container is marked for removal and cannot be \"update\"");
    CO_TRY(auto merged, merge_update(container->spec, wanted));
    CO_TRY(const auto sound, parse_container_network(merged, networks_.default_bridge()));
    const ContainerSpec before = std::exchange(container->spec, std::move(merged));
    auto done = save_new(*container);
    if (done && container->running()) {
        const std::string& id = container->id;
        const auto from = container_cgroups(cgroups_, options_.cgroup_parent, id, limits_of(before));
        const auto to = container_cgroups(cgroups_, options_.cgroup_parent, id, limits_of(container->spec));
        auto changes = limit_changes(from, to);
        done = co_await write_all(std::move(changes));
        if (!done) {
            auto back = limit_changes(to, from);
            auto restored = co_await write_all(std::move(back));
            if (!restored) log_warn("container " + id + ": taking an update back: " + restored.error().message());
        }
    }
    const bool ports = wanted.host_config_json != "{}";
    if (done && ports) {
        done = co_await update_ports(container);
    }
    if (done) co_return Result<void>{};
    container->spec = before;
    if (auto saved = save_new(*container); !saved) log_error("container " + container->id + ": its row keeps an update "
                                                              "that failed: " + saved.error().message());
    co_return fail(std::move(done.error()).with_kind(ErrorKind::internal));
}

// Ours alone: dockerd's ports are those of the creation.
Task<void> ContainerService::update_ports(std::shared_ptr<Container> container) {
    ContainerNetwork& network = *container->network;
    CO_TRY(auto wanted, parse_container_network(container->spec, networks_.default_bridge()));
    if (network.sandbox) {
        const std::shared_ptr<net::Sandbox> sandbox = network.sandbox;
        std::vector<net::PortRequest> requests = wanted.ports;
        CO_TRY_VOID(co_await networks_.set_ports(sandbox, std::move(requests)));
    }
    network.ports = std::move(wanted.ports);
    network.exposed = std::move(wanted.exposed);
    auto saved = try_save_state(*container);
    co_return saved;
}

}  // namespace engine::runtime
