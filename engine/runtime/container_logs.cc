// A container's log: where it is, who writes it, who reads it.
#include <unistd.h>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/first_line.h"

namespace engine::runtime {

// The options were checked when the container was made.
LogPlace ContainerService::log_place(const Container& container) const {
    LogPlace place;
    if (auto settings = log_settings(container.spec.log)) place.settings = *settings;
    place.format = log_format(place.settings.kind);
    if (place.format) place.path = directory_of(container) + "/" + place.format->file_name(container.id);
    place.journal = options_.exec_root + "/output/" + container.id;
    place.container_id = container.id;
    place.worker = options_.worker_path;
    return place;
}

Result<std::shared_ptr<ContainerLog>> ContainerService::begin_log(Container& container) {
    if (!container.log) {
        LogPlace place = log_place(container);
        if (!place.format) return std::shared_ptr<ContainerLog>();
        container.log = std::make_shared<ContainerLog>(std::move(place), &scope_);
    }
    TRY(auto attributes, log_attributes(container.spec, {container.id, container.name, container.image_id}));
    TRY_VOID(container.log->begin(std::move(attributes)));
    return container.log;
}

// A run that is over, of an engine that was killed before it had logged all of it.
Task<void> ContainerService::finish_log(std::shared_ptr<Container> container) {
    const LogPlace place = log_place(*container);
    if (!place.format || access(place.journal.c_str(), F_OK) != 0) co_return Result<void>{};
    CO_TRY(auto held, co_await container->lane.enter());
    if (container->removing) co_return Result<void>{};
    auto log = begin_log(*container);
    if (!log) {
        log_error("container " + container->id + ": " + log.error().message() + ": the end of its output is lost");
        co_return Result<void>{};
    }
    (*log)->end_of_run();
    auto written = co_await (*log)->write_records(scope_.token());
    co_return written;
}

Result<void> ContainerService::check_logs(const Container& container) const {
    if (container.removing || container.state.status == ContainerStatus::dead)
        return fail(ErrorKind::conflict, "can not get logs from container which is dead or marked for removal");
    if (log_place(container).format) return {};
    return fail(ErrorKind::not_implemented, "configured logging driver does not support reading");
}

Task<void> ContainerService::logs(std::shared_ptr<Container> container, LogQuery query, ByteSink* sink,
                                  reactor::StopToken stop) {
    query.framed = !container->spec.tty;
    const bool past_alone = query.tail == 0 || (query.until != 0 && query.until <= realtime_ns());
    if (!query.follow && !past_alone) {
        CO_TRY_VOID(co_await wait_for_first_line(container, stop));
    }
    std::shared_ptr<ContainerLog> live = container->held.output ? container->held.output->log() : nullptr;
    LogStreamer streamer(log_place(*container), std::move(live), query, sink);
    auto streamed = co_await streamer.run(stop);
    co_return streamed;
}

}  // namespace engine::runtime
