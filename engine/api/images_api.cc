#include "engine/api/images_api.h"

#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/storage/image_store.h"

namespace engine::api {

Task<void> load_images(Services& services, Request& request, Response& response) {
    CO_TRY(auto result, co_await services.images->load(*request.body, request.stop));
    std::string body;
    for (const std::string& line : result.loaded) {
        json::Writer w;
        w.begin_object().field("stream", line + "\n").end_object();
        body += w.text() + "\n";
    }
    const std::string_view text = body;
    co_return co_await response.send(200, "application/json", text);
}

Task<void> list_images(Services& services, Request&, Response& response) {
    json::Writer w;
    w.begin_array();
    for (const storage::Image& image : services.images->list()) {
        w.begin_object().field("Id", image.id).field("ParentId", "").field("RepoTags", image.tags);
        w.field_raw("RepoDigests", "[]").field("Created", image.loaded_at / second).field("Size", image.size);
        w.field("VirtualSize", image.size).field("SharedSize", -1).field_raw("Labels", "{}").field("Containers", -1);
        w.end_object();
    }
    w.end_array();
    std::string answer = w.take();
    co_return co_await response.send_json(200, std::move(answer));
}

Task<void> tag_image(Services& services, Request& request, Response& response) {
    std::string reference(request.parameter("repo"));
    if (!request.parameter("tag").empty()) reference += ":" + std::string(request.parameter("tag"));
    CO_TRY_VOID(services.images->tag(request.captures[0], reference));
    co_return co_await response.send_empty(201);
}

Task<void> remove_image(Services& services, Request& request, Response& response) {
    const auto users = services.containers->image_users();
    CO_TRY(auto removed, services.images->remove(request.captures[0], request.flag("force"), users));
    json::Writer w;
    w.begin_array();
    for (const storage::RemovedItem& item : removed)
        w.begin_object().field(item.untagged ? "Untagged" : "Deleted", item.name).end_object();
    w.end_array();
    std::string answer = w.take();
    co_return co_await response.send_json(200, std::move(answer));
}

}  // namespace engine::api
