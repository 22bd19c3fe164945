// A container's other name. The row decides: the name in memory follows it.
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/names_generator.h"

namespace engine::runtime {

Task<void> ContainerService::rename(std::string_view reference, std::string_view new_name) {
    if (reference.empty() || new_name.empty())
        co_return fail(ErrorKind::invalid, "Neither old nor new names may be empty");
    if (new_name.starts_with('/')) new_name.remove_prefix(1);
    const std::string name(new_name);
    CO_TRY(auto container, find(reference));
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->removed.is_set()) co_return fail(ErrorKind::not_found, "No such container: " + container->id);
    if (name == container->name)
        co_return fail(ErrorKind::invalid, "Renaming a container with the same name as its current name");
    auto fits = check_container_name("/" + name);
    if (fits) fits = check_free_name(name);
    if (!fits) co_return fail(std::move(fits.error()).with_context("Error when allocating new name"));
    CO_TRY_VOID(db_.set_container_name(container->id, name));
    const std::string old = std::exchange(container->name, name);
    ids_by_name_.erase(old);
    ids_by_name_[name] = container->id;
    rename_in_networks(*container, old);
    publish(*container, "rename", {{"oldName", "/" + old}});
    co_return Result<void>{};
}

}  // namespace engine::runtime
