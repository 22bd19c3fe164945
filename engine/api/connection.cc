#include "engine/api/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "engine/api/error_status.h"
#include "engine/api/limits.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/try.h"

namespace engine::api {

Connection::Connection(UniqueFd fd, const Router* router, Patience patience, reactor::StopToken stop)
    : fd_(std::move(fd)), incoming_(fd_.get()), router_(router), patience_(patience), stop_(stop) {}

Task<void> Connection::serve() {
    auto ended = co_await converse();
    CO_TRY_VOID(co_await incoming_.pause());
    co_return ended;
}

Task<void> Connection::converse() {
    while (true) {
        CO_TRY(auto present, co_await next_head());
        if (!present) co_return Result<void>{};
        CO_TRY_VOID(co_await answer());
        if (!request_.keep_alive) co_return Result<void>{};
        if (input_begin_ == input_end_) {
            input_.reset();
            input_bytes_ = input_begin_ = input_end_ = 0;
        } else if (input_bytes_ > input_buffer_bytes) {
            resize_input(std::max(input_buffer_bytes, input_end_ - input_begin_));
        }
    }
}

// What was received and not yet parsed is kept.
void Connection::resize_input(std::size_t bytes) {
    auto next = std::make_unique_for_overwrite<char[]>(bytes);
    if (input_begin_ < input_end_) std::memcpy(next.get(), input_.get() + input_begin_, input_end_ - input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
    input_ = std::move(next);
    input_bytes_ = bytes;
}

ParseStep Connection::parse() {
    std::size_t consumed = 0;
    const ParseStep step = parser_.step({input_.get() + input_begin_, input_end_ - input_begin_}, consumed);
    input_begin_ += consumed;
    return step;
}

Task<std::size_t> Connection::receive(reactor::StopToken stop) {
    CHECK(input_begin_ == input_end_ && piece_.empty());
    if (!input_) resize_input(input_buffer_bytes);
    input_begin_ = input_end_ = 0;
    const auto buffer = std::as_writable_bytes(std::span(input_.get(), input_bytes_));
    auto got = co_await receive_into(buffer, stop);
    if (got) input_end_ = *got;
    co_return got;
}

// What the request for heads has taken comes first.
Task<std::size_t> Connection::receive_into(std::span<std::byte> buffer, reactor::StopToken stop) {
    CO_TRY_VOID(co_await incoming_.pause());
    if (incoming_.present() > 0) co_return incoming_.take(buffer);
    if (incoming_.ended()) co_return 0;
    auto got = co_await io::recv(fd_.get(), buffer, stop);
    co_return got;
}

// Between requests a client costs no buffer: the kernel takes one of the loop's when bytes are there.
Task<std::size_t> Connection::receive_idle(reactor::StopToken stop) {
    if (!reactor::Loop::current().backend().features().buffer_ring) {
        auto received = co_await receive(stop);
        co_return received;
    }
    auto arrived = co_await incoming_.arrival(stop);
    if (!arrived && arrived.error().error_number() == ENOBUFS) {
        auto received = co_await receive(stop);
        co_return received;
    }
    if (!arrived) co_return tl::unexpected<Error>(std::move(arrived.error()));
    if (!input_) resize_input(input_buffer_bytes);
    input_begin_ = 0;
    input_end_ = incoming_.take(std::as_writable_bytes(std::span(input_.get(), input_bytes_)));
    co_return input_end_;
}

Task<bool> Connection::next_head() {
    body_ended_ = continue_sent_ = false;
    const reactor::Loop& loop = reactor::Loop::current();
    Nanoseconds head_until = 0;  // once its first byte is there: however the rest drips in
    while (true) {
        const ParseStep step = input_begin_ < input_end_ ? parse() : ParseStep::need_input;
        if (step == ParseStep::headers) co_return true;
        if (step == ParseStep::bad) {
            request_.keep_alive = false;
            CO_TRY_VOID(co_await refuse(parser_.error_status(), parser_.error_text()));
            co_return false;
        }
        if (step != ParseStep::need_input) continue;
        const bool waiting_for_rest = parser_.in_head();
        if (waiting_for_rest && head_until == 0) head_until = loop.now() + patience_.head;
        reactor::Deadline deadline(waiting_for_rest ? head_until - loop.now() : patience_.idle, stop_);
        auto got = co_await receive_idle(deadline.token());
        if (got && *got > 0) continue;
        if (!got && got.error().kind() == ErrorKind::timed_out && waiting_for_rest) {
            request_.keep_alive = false;
            CO_TRY_VOID(co_await refuse(408, "the request's head did not come in time"));
        }
        co_return false;
    }
}

Task<void> Connection::refuse(int status, std::string_view text) {
    Response response(this);
    const std::string body = error_body(text);
    const std::string_view view = body;
    auto done = co_await response.send(status, "application/json", view);
    co_return done;
}

Task<void> Connection::answer() {
    Response response(this);
    request_.body = &body_;
    request_.stop = stop_;
    auto handled = co_await call_handler(&response);
    if (response.hijacked()) {
        request_.keep_alive = false;
        co_return Result<void>{};
    }
    if (!handled) {
        if (response.started()) co_return fail(std::move(handled.error()));  // the client sees a cut stream
        CO_TRY_VOID(co_await response.send_error(handled.error()));
    } else if (!response.started()) {
        CO_TRY_VOID(co_await response.send_empty(200));
    }
    CO_TRY_VOID(co_await response.finish());
    CO_TRY(auto drained, co_await drain_body());
    if (!drained) request_.keep_alive = false;
    co_return Result<void>{};
}

Task<void> Connection::call_handler(Response* response) {
    CO_TRY_VOID(parse_target(request_));
    CO_TRY(request_.version, take_version(request_.path));
    CO_TRY(auto route, router_->find(request_));
    if (router_->must_wait(*route)) {
        CO_TRY_VOID(co_await router_->opened(stop_));
    }
    if (route->watch != Watch::no) {
        auto done = co_await watched(response, route);
        co_return done;
    }
    auto done = co_await route->handler(router_->services(), request_, *response);
    co_return done;
}

// Beside the handler, a task that looks whether the client still is there.
Task<void> Connection::watched(Response* response, const Route* route) {
    reactor::StopSource gone(stop_);
    reactor::Scope watcher("client watch");
    request_.stop = gone.token();
    watcher.spawn("watch client", watch_client(&gone, route->watch, watcher.token()));
    auto handled = co_await route->handler(router_->services(), request_, *response);
    watcher.request_stop();
    CO_TRY_VOID(co_await watcher.join());
    request_.stop = stop_;
    co_return handled;
}

Task<void> Connection::watch_client(reactor::StopSource* gone, Watch watch, reactor::StopToken answered) {
    CO_TRY(auto events, co_await io::poll(fd_.get(), POLLRDHUP | POLLHUP | POLLERR, answered));
    if (watch == Watch::hangup && (events & (POLLHUP | POLLERR)) == 0) {
        // It will send no more but may listen. A request to poll always reports that; an epoll asked for nothing does
        // not.
        const UniqueFd both_sides(epoll_create1(EPOLL_CLOEXEC));
        epoll_event nothing{};
        if (!both_sides || epoll_ctl(both_sides.get(), EPOLL_CTL_ADD, fd_.get(), &nothing) != 0)
            co_return fail_errno(errno, "watching a client");
        CO_TRY(events, co_await io::poll(both_sides.get(), POLLIN, answered));
    }
    gone->request_stop();
    co_return Result<void>{};
}

Task<std::size_t> Connection::read_body(std::span<std::byte> buffer) {
    while (piece_.empty() && !body_ended_) {
        const ParseStep step = parse();
        if (step == ParseStep::body) piece_ = parser_.body();
        if (step == ParseStep::message_end || step == ParseStep::raw) body_ended_ = true;
        if (step == ParseStep::bad) co_return fail(ErrorKind::invalid, "the request's body is not valid HTTP");
        if (step != ParseStep::need_input) continue;
        if (request_.expects_continue && !continue_sent_) {
            continue_sent_ = true;
            const auto go_on = io::bytes_of("HTTP/1.1 100 Continue\r\n\r\n");
            CO_TRY_VOID(co_await io::send_all(fd_.get(), go_on, request_.stop));
        }
        // A body that fills the buffer at once is a large one: fewer, larger receives.
        if (input_end_ == input_bytes_ && input_bytes_ < body_buffer_bytes) resize_input(body_buffer_bytes);
        CO_TRY(auto got, co_await receive(request_.stop));
        if (got == 0) co_return fail(ErrorKind::canceled, "the client left in the middle of the request's body");
    }
    const std::size_t length = std::min(buffer.size(), piece_.size());
    if (length > 0) std::memcpy(buffer.data(), piece_.data(), length);
    piece_.remove_prefix(length);
    co_return length;
}

Task<bool> Connection::drain_body() {
    if (body_ended_) co_return true;
    // A client that waits for 100 Continue and was answered without it may or may not send its body: end it here.
    if (request_.expects_continue && !continue_sent_) co_return false;
    std::byte rest[1024];
    const std::span<std::byte> buffer(rest);
    std::size_t drained = 0;
    while (!body_ended_ && drained <= body_drain_max) {
        CO_TRY(auto got, co_await read_body(buffer));
        drained += got;
    }
    co_return body_ended_;
}

}  // namespace engine::api
