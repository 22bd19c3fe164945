// Clients at a container's streams: what has been logged, what is printed from now on, and what they type.
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/detach_keys.h"
#include "engine/runtime/first_line.h"
#include "engine/runtime/stdin_copy.h"

namespace engine::runtime {

Result<void> ContainerService::check_attach(std::string_view reference, const Container& container) const {
    if (container.state.status == ContainerStatus::paused)
        return fail(ErrorKind::conflict,
                    "container " + std::string(reference) + " is paused, unpause the container before attach");
    return {};
}

Task<void> ContainerService::attach(std::shared_ptr<Container> container, AttachRequest request, ByteSource* input,
                                    ByteSink* output, reactor::StopToken stop) {
    Attachment attachment(request.stdout_, request.stderr_, request.framed);
    std::shared_ptr<Output> running = container->held.output;
    if (request.logs && !request.stream) {
        CO_TRY_VOID(co_await wait_for_first_line(container, stop));
    }
    if (request.logs) {
        LogQuery query;
        query.stdout_ = request.stdout_;
        query.stderr_ = request.stderr_;
        query.framed = request.framed;
        LogStreamer streamer(log_place(*container), running ? running->log() : nullptr, query, output);
        CO_TRY_VOID(co_await streamer.run_up_to_now(stop));
    }
    publish(*container, "attach");
    if (!request.stream) co_return Result<void>{};
    // The run whose log was shown may be over.
    if (request.logs && running) {
        running->attach_behind_log(&attachment);
    } else if (container->held.output) {
        container->held.output->attach(&attachment);
    } else {
        container->early.push_back(&attachment);
    }
    auto done = co_await attach_streams(container, &attachment, std::move(request), input, output, stop);
    co_return done;
}

Task<void> ContainerService::attach_streams(std::shared_ptr<Container> container, Attachment* attachment,
                                            AttachRequest request, ByteSource* input, ByteSink* output,
                                            reactor::StopToken stop) {
    reactor::StopSource leaving(stop);
    reactor::Scope input_scope("attach input");
    if (request.stdin_ && container->spec.open_stdin) {
        std::string keys = std::move(request.detach_keys);
        input_scope.spawn("attach stdin", copy_input(container, input, std::move(keys), &leaving));
    }
    auto copied = co_await attachment->copy_to(output, leaving.token());
    leaving.request_stop();
    input->end_reading();
    CO_TRY_VOID(co_await input_scope.join());
    co_return copied;
}

// Only a terminal's client can detach by keys. When a client stops sending, a StdinOnce container's stdin is closed and
// its output goes on; another container's stdin stays open for the next client, and this one is let go, as by dockerd.
Task<void> ContainerService::copy_input(std::shared_ptr<Container> container, ByteSource* input, std::string keys,
                                        reactor::StopSource* leaving) {
    while (!container->running()) {
        CO_TRY_VOID(co_await container->started.wait(leaving->token()));
    }
    const std::shared_ptr<UniqueFd> to = container->held.stdin_end;
    if (!to) co_return Result<void>{};
    const bool tty = container->spec.tty;
    DetachMatcher matcher(std::move(keys));
    DetachMatcher* const watched = tty ? &matcher : nullptr;
    auto ended = co_await copy_stdin(input, to, watched, leaving->token());
    if (!ended) co_return fail(std::move(ended.error()));
    if (*ended == StdinEnd::detached) publish(*container, "detach");
    if (*ended == StdinEnd::detached || tty || !container->spec.stdin_once) {
        leaving->request_stop();
        co_return Result<void>{};
    }
    to->reset();
    keeper_.close_stdin(container->id);
    co_return Result<void>{};
}

}  // namespace engine::runtime
