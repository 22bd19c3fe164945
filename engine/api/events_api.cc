#include "engine/api/events_api.h"

#include "engine/api/filters.h"
#include "engine/api/services.h"
#include "engine/api/time_parameter.h"
#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/event.h"

namespace engine::api {
namespace {

Task<void> send_live(runtime::Events::Listener* listener, Response* response, reactor::StopToken stop) {
    while (true) {
        CO_TRY(const auto message, co_await listener->take(stop));
        const std::string text = runtime::event_text(*message);
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
    // Before the head leaves: a client that has seen it misses nothing that happens from then on.
    runtime::Events::Listener listener(services.events, filter);
    std::string past;
    if (since || until)
        for (const auto& message : services.events->history(since.value_or(0), until.value_or(0), filter))
            past += runtime::event_text(*message);
    CO_TRY_VOID(co_await response.begin(200, "application/json"));
    const auto bytes = io::bytes_of(past);
    CO_TRY_VOID(co_await response.write(bytes));
    if (!until) {
        auto sent = co_await send_live(&listener, &response, request.stop);
        co_return sent;
    }
    if (*until <= now) co_return Result<void>{};
    reactor::Deadline deadline(*until - now, request.stop);
    auto sent = co_await send_live(&listener, &response, deadline.token());
    if (!sent && deadline.passed() && !request.stop.stop_requested()) co_return Result<void>{};
    co_return sent;
}

}  // namespace engine::api
