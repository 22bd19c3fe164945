#include "engine/api/events_api.h"

#include "engine/api/filters.h"
#include "engine/api/services.h"
#include "engine/api/time_parameter.h"
#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/event.h"

namespace engine::api {
namespace {

constexpr std::size_t batch_bytes = 64 * 1024;   // of messages in one chunk

using Message = std::shared_ptr<const runtime::EventMessage>;

// How messages are written, and which of them this client does not know.
struct Form {
    std::string_view content_type = "application/json";
    bool sequence = false;         // RFC 7464: each text behind a record separator
    bool image_creates = true;     // since API 1.46

    void add(const runtime::EventMessage& message, std::string& out) const {
        if (!image_creates && message.type == "image" && message.action == "create") return;
        if (sequence) out += '\x1e';
        out += message.text;
    }
};

Form form_of(const Request& request) {
    Form form;
    form.image_creates = request.version >= ApiVersion{1, 46};
    const std::string_view accept = request.header("accept");
    for (const char* type : {"application/jsonl", "application/x-ndjson", "application/json-seq"}) {
        if (accept.find(type) == std::string_view::npos) continue;
        form.content_type = type;
        form.sequence = form.content_type == "application/json-seq";
        break;
    }
    return form;
}

Task<void> send_live(runtime::Events::Listener* listener, Form form, Response* response, reactor::StopToken stop) {
    std::string text;
    while (true) {
        CO_TRY(Message message, co_await listener->take(stop));
        text.clear();
        for (; message; message = text.size() < batch_bytes ? listener->take_now() : nullptr) form.add(*message, text);
        const auto bytes = io::bytes_of(text);
        CO_TRY_VOID(co_await response->write(bytes));
    }
}

}  // namespace

// dockerd passes filters with names it does not know, and shows what is left of its memory only when asked for a time.
Task<void> stream_events(Services& services, Request& request, Response& response) {
    const Nanoseconds now = realtime_ns();
    CO_TRY(const auto since, parse_time(request.parameter("since"), now));
    CO_TRY(const auto until, parse_time(request.parameter("until"), now));
    if (since && until && *until < *since)
        co_return fail(ErrorKind::invalid, "`since` time (" + std::string(request.parameter("since")) +
                                               ") cannot be after `until` time (" +
                                               std::string(request.parameter("until")) + ")");
    CO_TRY(auto filters, parse_filters(request.parameter("filters")));
    const runtime::EventFilter filter(std::move(filters));
    const Form form = form_of(request);
    // Before the head leaves: a client that has seen it misses nothing that happens from then on.
    runtime::Events::Listener listener(services.events, filter);
    std::string past;
    if (since || until)
        for (const Message& message : services.events->history(since.value_or(0), until.value_or(0), filter))
            form.add(*message, past);
    CO_TRY_VOID(co_await response.begin(200, form.content_type));
    const auto bytes = io::bytes_of(past);
    CO_TRY_VOID(co_await response.write(bytes));
    if (!until) {
        auto sent = co_await send_live(&listener, form, &response, request.stop);
        co_return sent;
    }
    if (*until <= now) co_return Result<void>{};
    reactor::Deadline deadline(*until - now, request.stop);
    auto sent = co_await send_live(&listener, form, &response, deadline.token());
    if (!sent && deadline.passed() && !request.stop.stop_requested()) co_return Result<void>{};
    co_return sent;
}

}  // namespace engine::api
