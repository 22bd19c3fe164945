#include "engine/api/logs_api.h"

#include <charconv>

#include "engine/api/services.h"
#include "engine/api/time_parameter.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"

namespace engine::api {
namespace {

// "all", a number; what is neither means all, as at dockerd.
std::int64_t tail_of(std::string_view text) {
    std::int64_t lines = -1;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), lines);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? lines : -1;
}

}  // namespace

Task<void> container_logs(Services& services, Request& request, Response& response) {
    runtime::LogQuery query;
    query.follow = request.flag("follow");
    query.timestamps = request.flag("timestamps");
    query.details = request.flag("details");
    query.stdout_ = request.flag("stdout");
    query.stderr_ = request.flag("stderr");
    if (!query.stdout_ && !query.stderr_)
        co_return fail(ErrorKind::invalid, "Bad parameters: you must choose at least one stream");
    CO_TRY(auto container, services.containers->find(request.captures[0]));
    CO_TRY_VOID(services.containers->check_logs(*container));
    CO_TRY(const auto since, parse_time(request.parameter("since"), realtime_ns()));
    CO_TRY(const auto until, parse_time(request.parameter("until"), realtime_ns()));
    query.since = since.value_or(0);
    query.until = until.value_or(0);
    query.tail = tail_of(request.parameter("tail"));
    const bool framed = !container->spec.tty && request.version >= ApiVersion{1, 42};
    const std::string_view type =
        framed ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
    CO_TRY_VOID(co_await response.begin(200, type));
    auto streamed = co_await services.containers->logs(container, query, &response, request.stop);
    co_return streamed;
}

}  // namespace engine::api
