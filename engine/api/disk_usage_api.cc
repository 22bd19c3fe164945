#include "engine/api/disk_usage_api.h"

#include "engine/api/containers_api.h"
#include "engine/api/image_filters.h"
#include "engine/api/image_json.h"
#include "engine/api/services.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/storage/image_store.h"

namespace engine::api {
namespace {

constexpr ApiVersion types_asked{1, 42};  // before: everything, and BuilderSize

struct Wanted {
    bool images = true, containers = true, volumes = true, build_cache = true;
};

Result<Wanted> wanted_of(const Request& request) {
    Wanted wanted;
    if (request.version < types_asked || !request.has_parameter("type")) return wanted;
    wanted = {false, false, false, false};
    for (const auto& [name, value] : request.query) {
        if (name != "type") continue;
        if (value == "image") {
            wanted.images = true;
        } else if (value == "container") {
            wanted.containers = true;
        } else if (value == "volume") {
            wanted.volumes = true;
        } else if (value == "build-cache") {
            wanted.build_cache = true;
        } else {
            return fail(ErrorKind::invalid, "unknown object type: " + value);
        }
    }
    return wanted;
}

Result<std::string> images_of(Services& services, ApiVersion version) {
    TRY(auto summaries, list_images_by(*services.images, {}));
    const auto users = services.containers->image_users();
    json::Writer w;
    w.begin_array();
    for (ImageSummary& summary : summaries) {
        summary.shared_size = services.images->shared_size(summary.image.id);
        summary.containers = static_cast<std::int64_t>(users(summary.image.id).size());
        write_image_summary(w, summary, version);
    }
    return w.end_array().take();
}

Task<std::string> containers_of(Services& services, reactor::StopToken stop) {
    std::vector<std::shared_ptr<runtime::Container>> all;  // the list may change while sizes are looked for
    for (const auto& [id, container] : services.containers->all()) all.push_back(container);
    json::Writer w;
    w.begin_array();
    for (const auto& container : all) {
        auto sizes = co_await sizes_of(services, container, true, stop);
        if (!sizes && container->removed.is_set()) continue;
        if (!sizes) co_return tl::unexpected<Error>(std::move(sizes.error()));
        write_container_summary(w, services, *container, realtime_ns(), *sizes);
    }
    w.end_array();
    co_return w.take();
}

}  // namespace

// There are no volumes and no builder yet: their lists are empty.
Task<void> get_disk_usage(Services& services, Request& request, Response& response) {
    CO_TRY(const Wanted wanted, wanted_of(request));
    std::string containers;
    if (wanted.containers) {
        CO_TRY(containers, co_await containers_of(services, request.stop));
    }
    std::string images;
    if (wanted.images) {
        CO_TRY(images, images_of(services, request.version));
    }
    const auto list = [](bool asked, const std::string& text) { return asked ? text : std::string("null"); };
    json::Writer w;
    w.begin_object().field("LayersSize", wanted.images ? services.images->layers_size() : 0);
    w.field_raw("Images", list(wanted.images, images)).field_raw("Containers", list(wanted.containers, containers));
    w.field_raw("Volumes", list(wanted.volumes, "[]")).field_raw("BuildCache", list(wanted.build_cache, "[]"));
    if (request.version < types_asked) w.field("BuilderSize", 0);
    std::string answer = w.end_object().take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
