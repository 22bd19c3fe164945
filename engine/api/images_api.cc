#include "engine/api/images_api.h"

#include "engine/api/body.h"
#include "engine/api/human_size.h"
#include "engine/api/image_filters.h"
#include "engine/api/image_json.h"
#include "engine/api/limits.h"
#include "engine/api/registry_api.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/event.h"
#include "engine/storage/config_changes.h"
#include "engine/storage/image_store.h"

namespace engine::api {
namespace {

constexpr ApiVersion shared_size_asked{1, 42};
constexpr ApiVersion reference_filter{1, 25};
constexpr ApiVersion containers_counted{1, 51};

// One message of a progress stream.
std::string line(json::Writer& w) {
    return w.end_object().take() + "\r\n";
}

std::string stream_error(const Error& error) {
    json::Writer w;
    w.begin_object().key("errorDetail").begin_object().field("message", error.message()).end_object();
    w.field("error", error.message());
    return line(w);
}

std::string loaded_layer(const storage::NewLayer& layer) {
    const std::string size = human_size(static_cast<double>(layer.tar_bytes));
    json::Writer w;
    w.begin_object().field("status", "Loading layer").key("progressDetail").begin_object();
    w.field("current", layer.tar_bytes).field("total", layer.tar_bytes).end_object();
    w.field("progress", "[" + std::string(50, '=') + ">]  " + size + "/" + size)
        .field("id", layer.diff_id.substr(7, 12));
    return line(w);
}

// repo may hold a tag of its own, which `tag` replaces. "" when there is no repo.
Result<std::string> reference_of(const Request& request) {
    const std::string repo(request.parameter("repo"));
    const std::string tag(request.parameter("tag"));
    if (repo.empty()) return std::string();
    TRY(auto reference, storage::parse_reference(repo));
    if (!reference.digest.empty()) return fail(ErrorKind::invalid, "cannot import digest reference");
    if (!tag.empty()) {
        if (!storage::is_tag(tag)) return fail(ErrorKind::invalid, "invalid tag format");
        reference.tag = tag;
    }
    return storage::with_default_tag(std::move(reference)).text();
}

struct Platform {
    std::string os = "linux", architecture, variant;
};

// os[/architecture[/variant]]
Result<Platform> platform_of(const Request& request) {
    Platform out;
    std::string text(request.parameter("platform"));
    if (text.empty()) return out;
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    const auto plain = [](const std::string& part) {
        return !part.empty() &&
               part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                   std::string::npos;
    };
    if (parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), plain))
        return fail(ErrorKind::invalid, "\"" + text + "\": invalid platform: it is os[/architecture[/variant]]");
    out.os = parts[0];
    if (parts.size() > 1) out.architecture = parts[1];
    if (parts.size() > 2) out.variant = parts[2];
    if (out.os != "linux") return fail(ErrorKind::invalid, "operating system is not supported");
    return out;
}

void write_removed(json::Writer& w, const std::vector<storage::RemovedItem>& removed) {
    w.begin_array();
    for (const storage::RemovedItem& item : removed)
        w.begin_object().field(item.untagged ? "Untagged" : "Deleted", item.name).end_object();
    w.end_array();
}

// The new image's JSON, without what only the unpacked layer can say.
Result<std::string> import_config(const Request& request, const std::string& comment) {
    std::vector<std::string> changes;
    for (const auto& [name, value] : request.query)
        if (name == "changes") changes.push_back(value);
    TRY(const auto platform, platform_of(request));
    TRY(const std::string config, storage::config_of_changes(changes));
    json::Writer w;
    w.begin_object();
    if (!platform.architecture.empty()) w.field("architecture", platform.architecture);
    if (!platform.variant.empty()) w.field("variant", platform.variant);
    w.field("os", platform.os).field("comment", comment).field_raw("config", config).end_object();
    return w.take();
}

}  // namespace

// dockerd has begun its answer before it knows: an archive it cannot load is told in the stream of a 200.
Task<void> load_images(Services& services, Request& request, Response& response) {
    const bool quiet = request.flag("quiet", true);
    auto result = co_await services.images->load(*request.body, request.stop);
    std::string body;
    if (result) {
        for (const storage::NewLayer& layer : result->layers)
            if (!quiet) body += loaded_layer(layer);
        for (const std::string& loaded : result->loaded) {
            json::Writer w;
            w.begin_object().field("stream", loaded + "\n");
            body += line(w);
        }
    } else {
        body = stream_error(result.error());
        CO_TRY_VOID(co_await hear_out(request.body));
    }
    const std::string_view text = body;
    auto sent = co_await response.send(200, "application/json", text);
    co_return sent;
}

Task<void> create_image(Services& services, Request& request, Response& response) {
    if (!request.parameter("fromImage").empty()) {
        auto pulled = co_await pull_image(services, request, response);
        co_return pulled;
    }
    const std::string source(request.parameter("fromSrc"));
    if (source != "-")
        co_return fail(ErrorKind::not_implemented,
                       "importing from a URL is not supported by this engine yet: send the archive");
    std::string comment(request.parameter("message"));
    if (comment.empty()) comment = "Imported from " + source;
    CO_TRY(std::string reference, reference_of(request));
    CO_TRY(std::string config, import_config(request, comment));
    ByteSource& body = *request.body;
    auto id = co_await services.images->import(body, std::move(config), std::move(comment), std::move(reference),
                                               request.stop);
    if (!id) {
        CO_TRY_VOID(co_await hear_out(request.body));
        co_return fail(std::move(id).error());
    }
    json::Writer w;
    w.begin_object().field("status", *id);
    const std::string answer = line(w);
    const std::string_view text = answer;
    auto sent = co_await response.send(200, "application/json", text);
    co_return sent;
}

Task<void> list_images(Services& services, Request& request, Response& response) {
    CO_TRY(Filters filters, parse_filters(request.parameter("filters")));
    const std::string old_filter(request.parameter("filter"));
    if (request.version < reference_filter && !old_filter.empty() && !filters.contains("reference"))
        filters["reference"].push_back(old_filter);
    CO_TRY(auto summaries, list_images_by(*services.images, filters, request.flag("all")));
    const bool shared = request.version >= shared_size_asked && request.flag("shared-size");
    const auto users = services.containers->image_users();
    json::Writer w;
    w.begin_array();
    for (ImageSummary& summary : summaries) {
        if (shared) summary.shared_size = services.images->shared_size(summary.image.id);
        if (request.version >= containers_counted)
            summary.containers = static_cast<std::int64_t>(users(summary.image.id).size());
        write_image_summary(w, summary, request.version);
    }
    w.end_array();
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> inspect_image(Services& services, Request& request, Response& response) {
    CO_TRY(const auto image, services.images->find(request.captures[0]));
    std::string answer = image_inspect(services.facts, image, request.version);
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> history_of_image(Services& services, Request& request, Response& response) {
    CO_TRY(const auto image, services.images->find(request.captures[0]));
    const auto ancestors = services.images->ancestors(image.id);
    CO_TRY(std::string answer, image_history(image, ancestors));
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> tag_image(Services& services, Request& request, Response& response) {
    CO_TRY(const std::string reference, reference_of(request));
    if (reference.empty()) co_return fail(ErrorKind::invalid, "invalid reference format");
    CO_TRY_VOID(services.images->tag(request.captures[0], reference));
    auto sent = co_await response.send_empty(201);
    co_return sent;
}

Task<void> remove_image(Services& services, Request& request, Response& response) {
    const std::string& name = request.captures[0];
    if (name.find_first_not_of(" \t") == std::string::npos)
        co_return fail(ErrorKind::invalid, "image name cannot be blank");
    const auto users = services.containers->image_users();
    CO_TRY(auto removed, services.images->remove(name, request.flag("force"), !request.flag("noprune"), users));
    json::Writer w;
    write_removed(w, removed);
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> prune_images(Services& services, Request& request, Response& response) {
    CO_TRY(const Filters filters, parse_filters(request.parameter("filters")));
    CO_TRY(const auto wanted, prune_filter(filters));
    const auto users = services.containers->image_users();
    const auto report = services.images->prune(wanted.tagged_too, wanted.matches, users);
    runtime::EventAttributes attributes = {{"reclaimed", std::to_string(report.reclaimed)}};
    services.events->publish("image", "prune", "", std::move(attributes));
    json::Writer w;
    w.begin_object().key("ImagesDeleted");
    if (report.removed.empty()) {
        w.null();
    } else {
        write_removed(w, report.removed);
    }
    std::string answer = w.field("SpaceReclaimed", report.reclaimed).end_object().take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

// One image by its path, or the `names` of the query, which may hold several each.
Task<void> save_images(Services& services, Request& request, Response& response) {
    std::vector<std::string> names = request.captures;
    if (names.empty())
        for (const auto& [name, value] : request.query)
            if (name == "names") names.push_back(value);
    if (names.empty()) co_return fail(ErrorKind::invalid, "no image to save: give at least one name");
    CO_TRY(auto saving, co_await services.images->begin_save(std::move(names), request.stop));
    CO_TRY_VOID(co_await response.begin(200, "application/x-tar"));
    auto sent = co_await services.images->save(saving.get(), &response, request.stop);
    co_return sent;
}

}  // namespace engine::api
