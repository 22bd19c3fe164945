#include "engine/api/containers_api.h"

#include <charconv>
#include <climits>

#include "engine/api/body.h"
#include "engine/api/container_filters.h"
#include "engine/api/container_json.h"
#include "engine/api/parameters.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/container_view.h"

namespace engine::api {
namespace {

using runtime::ContainerService;
using runtime::WaitCondition;

// A terminal's rows or columns; the kernel has 16 bits for them.
Result<unsigned short> terminal_side(const Request& request, std::string_view name, std::string_view what) {
    const std::string_view text = request.parameter(name);
    std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    unsigned long value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const auto refuse = [&](const char* why) {
        return fail(ErrorKind::invalid,
                    "invalid resize " + std::string(what) + " \"" + std::string(text) + "\": " + why);
    };
    if (parsed.ec == std::errc::invalid_argument || parsed.ptr != digits.data() + digits.size())
        return refuse("invalid syntax");
    if (parsed.ec != std::errc{} || digits.size() != text.size() || value > USHRT_MAX)
        return refuse("value out of range");
    return static_cast<unsigned short>(value);
}

Result<WaitCondition> wait_condition(const Request& request) {
    const std::string_view text = request.parameter("condition");
    if (text.empty() || text == "not-running") return WaitCondition::not_running;
    if (text == "next-exit") return WaitCondition::next_exit;
    if (text == "removed") return WaitCondition::removed;
    return fail(ErrorKind::invalid, "invalid condition: \"" + std::string(text) + "\"");
}

constexpr ApiVersion new_removal_words_since{1, 44};

// Scripts and suites of older clients look for the sentence that dockerd had in their days.
Result<void> refuse_in_old_words(Services& services, std::string_view reference) {
    TRY(const auto container, services.containers->find(reference));
    if (!container->active() || container->removing) return {};
    const std::string state(runtime::status_word(container->state.status));
    const bool paused = container->state.status == runtime::ContainerStatus::paused;
    return fail(ErrorKind::conflict,
                "You cannot remove a " + state + " container " + container->id + ". " +
                    (paused ? "Unpause and then stop" : "Stop") +
                    " the container before attempting removal or force remove");
}

}  // namespace

Task<std::optional<ContainerSizes>> sizes_of(Services& services, std::shared_ptr<runtime::Container> container,
                                             bool wanted, reactor::StopToken stop) {
    if (!wanted) co_return std::optional<ContainerSizes>();
    std::string id = container->id;
    std::string image_id = container->image_id;
    ContainerSizes sizes;
    CO_TRY(sizes.writable, co_await services.images->rootfs_size(std::move(id), std::move(image_id), stop));
    const auto image = services.images->find(container->image_id);
    sizes.whole = sizes.writable + (image ? image->size : 0);
    co_return std::optional<ContainerSizes>(sizes);
}

Task<void> list_containers(Services& services, Request& request, Response& response) {
    ContainerQuery query;
    query.all = request.flag("all");
    CO_TRY(query.limit, integer_parameter(request, "limit", 0));
    CO_TRY(query.filters, parse_filters(request.parameter("filters")));
    CO_TRY(const auto listed, list_containers_by(*services.containers, *services.images, std::move(query)));
    const bool with_sizes = request.flag("size");
    json::Writer w;
    w.begin_array();
    for (const auto& container : listed) {
        auto sizes = co_await sizes_of(services, container, with_sizes, request.stop);
        if (!sizes && container->removed.is_set()) continue;
        if (!sizes) co_return tl::unexpected<Error>(std::move(sizes.error()));
        write_container_summary(w, services, *container, realtime_ns(), *sizes);
    }
    std::string answer = w.end_array().take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> inspect_container(Services& services, Request& request, Response& response) {
    CO_TRY(auto container, services.containers->find(request.captures[0]));
    const bool with_sizes = request.flag("size");
    CO_TRY(const auto sizes, co_await sizes_of(services, container, with_sizes, request.stop));
    std::string answer = container_inspect(services, *container, sizes);
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> create_container(Services& services, Request& request, Response& response) {
    CO_TRY(auto body, co_await read_whole_body(request));
    const std::string_view name = request.parameter("name");
    const std::string_view text = body;
    runtime::CreateRules rules;
    rules.auto_remove = request.version >= ApiVersion{1, 25};
    CO_TRY(auto created, co_await services.containers->create(name, text, rules));
    json::Writer w;
    w.begin_object().field("Id", created.id).field("Warnings", created.warnings).end_object();
    std::string answer = w.take();
    auto done = co_await response.send_json(201, std::move(answer));
    co_return done;
}

Task<void> start_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY_VOID(co_await services.containers->start(reference));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> stop_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view signal = request.version >= ApiVersion{1, 42} ? request.parameter("signal") : "";
    std::optional<long> timeout;
    if (!request.parameter("t").empty()) {
        CO_TRY(timeout, integer_parameter(request, "t", 0));
    }
    CO_TRY_VOID(co_await services.containers->stop(reference, signal, timeout));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> kill_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view signal = request.parameter("signal");
    CO_TRY_VOID(co_await services.containers->kill(reference, signal));
    auto done = co_await response.send_empty(204);
    co_return done;
}

// From 1.30 on there are conditions, and the head leaves at once: so a client knows that its wait is registered before
// it starts the container.
Task<void> wait_container(Services& services, Request& request, Response& response) {
    const bool old = request.version < ApiVersion{1, 30};
    const bool fails_silently = request.version < ApiVersion{1, 34};
    auto condition = WaitCondition::not_running;
    if (!old) {
        CO_TRY(condition, wait_condition(request));
    }
    CO_TRY(auto container, services.containers->find(request.captures[0]));
    if (!old) {
        CO_TRY_VOID(co_await response.begin(200, "application/json"));
    }
    CO_TRY(const auto answer, co_await services.containers->wait(container, condition, request.stop));
    // These clients have no field for an error, and take an empty answer for one.
    if (fails_silently && condition == WaitCondition::removed && !answer.error.empty()) co_return Result<void>{};
    json::Writer w;
    w.begin_object().field("StatusCode", answer.exit_code);
    if (!answer.error.empty()) w.key("Error").begin_object().field("Message", answer.error).end_object();
    w.end_object();
    std::string body = w.take() + "\n";
    if (old) {
        auto sent = co_await response.send_json(200, std::move(body));
        co_return sent;
    }
    const auto bytes = io::bytes_of(body);
    auto done = co_await response.write(bytes);
    co_return done;
}

Task<void> remove_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    if (request.flag("link")) {
        CO_TRY_VOID(co_await services.containers->remove_link(reference));
        auto unlinked = co_await response.send_empty(204);
        co_return unlinked;
    }
    const bool force = request.flag("force");
    if (!force && request.version < new_removal_words_since) {
        CO_TRY_VOID(refuse_in_old_words(services, reference));
    }
    CO_TRY_VOID(co_await services.containers->remove(reference, force));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> resize_container(Services& services, Request& request, Response& response) {
    CO_TRY(const auto height, terminal_side(request, "h", "height"));
    CO_TRY(const auto width, terminal_side(request, "w", "width"));
    CO_TRY_VOID(services.containers->resize(request.captures[0], height, width));
    auto done = co_await response.send_empty(200);
    co_return done;
}

}  // namespace engine::api
