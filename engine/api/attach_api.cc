#include "engine/api/attach_api.h"

#include "engine/api/error_status.h"
#include "engine/api/services.h"
#include "engine/api/websocket_stream.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/detach_keys.h"

namespace engine::api {
namespace {

constexpr std::size_t unheard_bytes = 4096;

// What both kinds of clients ask for; refused before the connection is taken.
Result<runtime::AttachRequest> read_request(const Request& request) {
    runtime::AttachRequest wanted;
    const std::string keys(request.parameter("detachKeys"));
    auto parsed = runtime::parse_detach_keys(keys);
    if (!parsed) return fail(ErrorKind::invalid, "Invalid detach keys (" + keys + ") provided");
    wanted.detach_keys = std::move(*parsed);
    wanted.logs = request.flag("logs");
    wanted.stream = request.flag("stream");
    wanted.stdin_ = wanted.stream && request.flag("stdin");
    wanted.stdout_ = request.flag("stdout");
    wanted.stderr_ = request.flag("stderr");
    return wanted;
}

// Pings and the close of a client that types nothing.
Task<void> listen_only(WebSocketStream* stream, reactor::StopSource* leaving) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(unheard_bytes);
    const std::span<std::byte> room(memory.get(), unheard_bytes);
    while (true) {
        auto got = co_await stream->read(room);
        if (!got || *got == 0) break;
    }
    leaving->request_stop();
    co_return Result<void>{};
}

Result<std::shared_ptr<runtime::Container>> find(Services& services, const Request& request,
                                                 const runtime::AttachRequest& wanted) {
    TRY(auto container, services.containers->find(request.captures[0]));
    TRY_VOID(services.containers->check_attach(request.captures[0], *container));
    if (wanted.logs) {
        TRY_VOID(services.containers->check_logs(*container));
    }
    return container;
}

// dockerd has taken the connection before it looks at what is asked for, so a refusal is bare text, as clients know it.
Task<void> refuse_raw(Response& response, const Error& why) {
    const int status = status_of(why.kind());
    std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
    head.append(reason_phrase(status)).append("\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
    CO_TRY(auto raw, co_await response.hijack_with(std::move(head)));
    const std::string text = why.message() + "\r\n";
    const auto bytes = io::bytes_of(text);
    auto told = co_await raw->write(bytes);
    co_return told;
}

}  // namespace

Task<void> attach_container(Services& services, Request& request, Response& response) {
    auto asked = read_request(request);
    auto found = asked ? find(services, request, *asked) : tl::unexpected<Error>(std::move(asked.error()));
    if (!found) {
        const Error why = std::move(found.error());
        auto refused = co_await refuse_raw(response, why);
        co_return refused;
    }
    runtime::AttachRequest wanted = std::move(*asked);
    const auto container = std::move(*found);
    wanted.framed = !container->spec.tty;
    const bool told = wanted.framed && request.upgrade_tcp && request.version >= ApiVersion{1, 42};
    const std::string_view type =
        told ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
    CO_TRY(auto raw, co_await response.hijack(type));
    auto done = co_await services.containers->attach(container, std::move(wanted), raw, raw, request.stop);
    co_return done;
}

// Before API 1.42 a websocket always had all three streams. They are never framed: a message is a piece of output.
Task<void> attach_websocket(Services& services, Request& request, Response& response) {
    CO_TRY(auto wanted, read_request(request));
    CO_TRY(auto container, find(services, request, wanted));
    if (request.version < ApiVersion{1, 42}) wanted.stdin_ = wanted.stdout_ = wanted.stderr_ = true;
    wanted.stdin_ = wanted.stdin_ && wanted.stream;
    CO_TRY(auto head, websocket_accept(request));
    CO_TRY(auto raw, co_await response.hijack_with(std::move(head)));
    const bool binary = request.version >= ApiVersion{1, 28};
    WebSocketStream stream(raw, binary);
    reactor::StopSource leaving(request.stop);
    reactor::Scope listening("websocket");
    const bool typed = wanted.stdin_ && container->spec.open_stdin;
    if (!typed) listening.spawn("websocket input", listen_only(&stream, &leaving));
    auto done = co_await services.containers->attach(container, std::move(wanted), &stream, &stream, leaving.token());
    auto closed = co_await stream.close();
    ignore_result(closed, "the client may have gone first");
    stream.end_reading();
    CO_TRY_VOID(co_await listening.join());
    co_return done;
}

}  // namespace engine::api
