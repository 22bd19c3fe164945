#include "engine/runtime/first_line.h"

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container.h"

namespace engine::runtime {

Task<void> wait_for_first_line(std::shared_ptr<Container> container, reactor::StopToken stop) {
    const std::shared_ptr<ContainerLog> log = container->held.output ? container->held.output->log() : nullptr;
    const Nanoseconds age = realtime_ns() - container->state.started_at;
    if (!log || age < 0 || age >= first_line_wait_max) co_return Result<void>{};
    reactor::Deadline deadline(first_line_wait_max - age, stop);
    while (container->running() && log->running() && log->file().size() == 0 && !deadline.passed()) {
        auto told = co_await log->changed().wait(deadline.token());
        ignore_result(told, "the time is over, or there is something to look at");
    }
    if (stop.stop_requested()) co_return fail(stop.reason(), "stopped while waiting for a first line");
    co_return Result<void>{};
}

}  // namespace engine::runtime
