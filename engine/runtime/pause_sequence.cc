// Pause and unpause. The row says "paused" before the freezer is told, and "running" after it has let go: so an engine
// that dies between the two leaves a row that the next one compares with the freezer.
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/freezer.h"

namespace engine::runtime {

Task<void> ContainerService::pause(std::string_view reference) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    const std::string& id = container->id;
    if (container->state.status == ContainerStatus::restarting)
        co_return fail(ErrorKind::conflict, "Container " + id + " is restarting, wait until the container is running");
    if (!container->running() || container->keeper_exit.is_set())
        co_return fail(ErrorKind::conflict, "container " + id + " is not running");
    if (container->state.status == ContainerStatus::paused)
        co_return fail(ErrorKind::conflict, "Container " + id + " is already paused");
    std::string directory = freezer_directory(cgroups_, options_.cgroup_parent, id);
    if (directory.empty())
        co_return fail(ErrorKind::internal,
                       "cannot pause container " + id + ": this host has no freezer control group");
    container->state.status = ContainerStatus::paused;
    auto frozen = try_save_state(*container);
    if (frozen) frozen = co_await freeze(std::move(directory), cgroups_.v2);
    if (!frozen) {
        container->state.status = ContainerStatus::running;
        save_state(*container);
        co_return fail(
            std::move(frozen.error()).with_context("cannot pause container " + id).with_kind(ErrorKind::internal));
    }
    publish(*container, "pause");
    co_return Result<void>{};
}

Task<void> ContainerService::unpause(std::string_view reference) {
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->state.status != ContainerStatus::paused)
        co_return fail(ErrorKind::internal, "Container " + container->id + " is not paused");
    auto thawed = co_await thaw_found(container);
    if (!thawed)
        co_return fail(std::move(thawed.error()).with_context("Cannot unpause container " + container->id));
    co_return Result<void>{};
}

// The row of a container taken over says "paused": an engine that died in the middle of it may have left it half-way.
Task<void> ContainerService::check_paused(std::shared_ptr<Container> container) {
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->state.status != ContainerStatus::paused) co_return Result<void>{};
    std::string directory = freezer_directory(cgroups_, options_.cgroup_parent, container->id);
    CO_TRY(const bool frozen, co_await is_frozen(std::move(directory), cgroups_.v2));
    if (frozen) co_return Result<void>{};
    auto thawed = co_await thaw_found(container);
    co_return thawed;
}

// With the container's lane held.
Task<void> ContainerService::thaw_found(std::shared_ptr<Container> container) {
    std::string directory = freezer_directory(cgroups_, options_.cgroup_parent, container->id);
    CO_TRY_VOID(co_await thaw(std::move(directory), cgroups_.v2));
    container->state.status = ContainerStatus::running;
    save_state(*container);
    publish(*container, "unpause");
    co_return Result<void>{};
}

}  // namespace engine::runtime
