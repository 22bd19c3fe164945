#include "engine/api/stats_api.h"

#include "engine/api/services.h"
#include "engine/api/stats_json.h"
#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/stats_service.h"

namespace engine::api {
namespace {

using Sample = std::shared_ptr<const runtime::StatsSample>;

constexpr ApiVersion one_shot_since{1, 41};

// Until the client leaves or the container is gone. One that does not run gives empty samples.
Task<void> stream_samples(Services& services, std::shared_ptr<runtime::Container> container, ApiVersion version,
                          Response* response, reactor::StopToken stop) {
    runtime::StatsService::Listener listener(services.stats, container);
    CO_TRY_VOID(co_await response->begin(200, "application/json"));
    Sample before;
    while (true) {
        CO_TRY(Sample sample, co_await listener.next(stop));
        if (!sample) co_return Result<void>{};
        const std::string text = stats_json(*container, *sample, before.get(), version);
        const auto bytes = io::bytes_of(text);
        CO_TRY_VOID(co_await response->write(bytes));
        before = std::move(sample);
    }
}

// Two samples, of which the second is told with what the first has of the processors.
Task<std::string> sample_of_two(Services& services, std::shared_ptr<runtime::Container> container, ApiVersion version,
                                reactor::StopToken stop) {
    runtime::StatsService::Listener listener(services.stats, container);
    CO_TRY(const Sample before, co_await listener.next(stop));
    CO_TRY(const Sample sample, co_await listener.next(stop));
    if (!sample) co_return std::string();   // the container went meanwhile: dockerd's answer is empty, too
    co_return stats_json(*container, *sample, before.get(), version);
}

}  // namespace

Task<void> container_stats(Services& services, Request& request, Response& response) {
    const bool stream = request.flag("stream", true);
    const bool one_shot = request.version >= one_shot_since && request.flag("one-shot");
    CO_TRY(auto container, services.containers->find(request.captures[0]));
    if (stream && one_shot) co_return fail(ErrorKind::invalid, "cannot have stream=true and one-shot=true");
    if (stream) {
        auto streamed = co_await stream_samples(services, container, request.version, &response, request.stop);
        co_return streamed;
    }
    std::string answer;
    if (one_shot || !container->running()) {
        CO_TRY(const auto sample, co_await services.stats->sample(container));
        answer = stats_json(*container, sample, nullptr, request.version);
    } else {
        CO_TRY(answer, co_await sample_of_two(services, container, request.version, request.stop));
    }
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
