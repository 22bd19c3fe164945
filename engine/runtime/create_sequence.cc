// One create, in one pass: the body's checks, the name, the rootfs, the row. What fails leaves nothing behind.
#include <unistd.h>

#include "engine/reactor/try.h"
#include "engine/runtime/container_name.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/image_config.h"
#include "engine/runtime/names_generator.h"
#include "engine/runtime/new_id.h"
#include "engine/runtime/resource_check.h"
#include "engine/runtime/spec_check.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
Task<Created> ContainerService::create(std::string_view name, std::string_view body, CreateRules rules) {
    CO_TRY(auto spec, parse_create_body(body));
    if (!rules.auto_remove && spec.auto_remove) {
        spec.auto_remove = false;
        set_host_config(spec, {{"AutoRemove", "false"}});
    }
    CO_TRY(auto image, images_.find(spec.image));
    CO_TRY(auto image_config, runtime_config_of(image.config));
    CO_TRY_VOID(merge_image_config(spec, image_config));
    if (spec.cmd.empty() && spec.entrypoint.empty()) co_return fail(ErrorKind::invalid, "no command specified");
    add_log_defaults(spec.log, options_.log_defaults);
    store_log_config(spec);
    CO_TRY_VOID(check_spec(spec));
    complete_resources(spec);
    CO_TRY(auto warnings, check_resources(spec, cgroup_support_, false));
    auto container = std::make_shared<Container>();
    container->id = new_id();
    container->image_id = image.id;
    container->created_at = realtime_ns();
    if (name.starts_with('/')) name.remove_prefix(1);
    if (!name.empty()) {
        CO_TRY_VOID(check_container_name(name));
        container->name = std::string(name);
    } else {
        container->name = generate_container_name(container->id);
        while (ids_by_name_.contains(container->name)) container->name = generate_container_name(new_id());
    }
    CO_TRY_VOID(check_free_name(container->name));
    if (spec.hostname.empty() && spec.network_mode == "host") {
        char host[256] = {};
        if (gethostname(host, sizeof host - 1) == 0) spec.hostname = host;
    }
    if (spec.hostname.empty()) spec.hostname = container->id.substr(0, 12);
    container->spec = std::move(spec);
    CO_TRY_VOID(read_network(*container));
    CO_TRY_VOID(resolve_links(*container));
    // From here the name is taken; whatever fails gives it back.
    ids_by_name_[container->name] = container->id;
    containers_[container->id] = container;
    images_.hold(container->image_id);
    auto rootfs = co_await images_.prepare_rootfs(container->id, container->image_id);
    auto made = rootfs ? write_network_files(*container) : Result<void>(fail(std::move(rootfs.error())));
    if (made) made = save_new(*container);
    if (!made) {
        ignore_result(images_.remove_rootfs(container->id), "the first error is the one to tell");
        images_.release(container->image_id);
        ids_by_name_.erase(container->name);
        containers_.erase(container->id);
        co_return fail(std::move(made.error()));
    }
    register_links(*container);
    publish(*container, "create");
    Created created;
    created.id = container->id;
    created.warnings = std::move(warnings);
    for (std::string& text : spec_warnings(container->spec)) created.warnings.push_back(std::move(text));
    co_return created;
}

Result<void> ContainerService::check_free_name(std::string_view name) const {
    const auto taken = ids_by_name_.find(name);
    if (taken == ids_by_name_.end()) return {};
    return fail(ErrorKind::conflict, "Conflict. The container name \"/" + std::string(name) +
                                         "\" is already in use by container \"" + taken->second +
                                         "\". You have to remove (or rename) that container to be able to reuse that "
                                         "name.");
}

}  // namespace engine::runtime
