#include "engine/api/response.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/api/connection.h"
#include "engine/api/error_status.h"
#include "engine/api/version.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

// RFC 9110 date, formatted once a second.
std::string_view date_now() {
    static time_t formatted_for = 0;
    static char text[40];
    const time_t now = time(nullptr);
    if (now != formatted_for) {
        tm parts{};
        gmtime_r(&now, &parts);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        formatted_for = now;
    }
    return text;
}

}  // namespace

void Response::add_header(std::string_view name, std::string_view value) {
    extra_headers_ += name;
    extra_headers_ += ": ";
    extra_headers_ += value;
    extra_headers_ += "\r\n";
}

std::string Response::head(int status, std::string_view content_type) {
    std::string out = std::move(connection_->out_);
    out.clear();
    out += connection_->request_.http_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ";
    out += std::to_string(status);
    out += ' ';
    out += reason_phrase(status);
    out += "\r\nApi-Version: ";
    out += version_text(api_version_newest);
    out += "\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: " ENGINE_SERVER_HEADER "\r\nDate: ";
    out += date_now();
    out += "\r\n";
    if (!content_type.empty()) {
        out += "Content-Type: ";
        out += content_type;
        out += "\r\n";
    }
    out += extra_headers_;
    if (!connection_->request_.keep_alive) out += "Connection: close\r\n";
    return out;
}

Task<void> Response::send(int status, std::string_view content_type, std::string_view body) {
    CHECK(!started());
    mode_ = Mode::whole;
    std::string out = head(status, content_type);
    if (status != 204 && status != 304) {
        out += "Content-Length: ";
        out += std::to_string(body.size());
        out += "\r\n";
    }
    out += "\r\n";
    if (connection_->request_.method != "HEAD" && status != 204 && status != 304) out += body;
    const auto bytes = io::bytes_of(out);
    auto sent = co_await io::send_all(connection_->fd_.get(), bytes, connection_->stop_);
    connection_->out_ = std::move(out);
    co_return sent;
}

Task<void> Response::send_json(int status, std::string body) {
    body += '\n';
    const std::string_view text = body;
    auto done = co_await send(status, "application/json", text);
    co_return done;
}

Task<void> Response::send_empty(int status) { return send(status, {}, {}); }

Task<void> Response::send_error(const Error& error) {
    const int status = status_of(error.kind());
    const std::string body = error_body(error.message());
    const std::string_view text = body;
    if (status == 304) {
        auto done = co_await send_empty(status);
        co_return done;
    }
    auto done = co_await send(status, "application/json", text);
    co_return done;
}

Task<void> Response::begin(int status, std::string_view content_type) {
    CHECK(!started());
    if (connection_->request_.http_1_0) connection_->request_.keep_alive = false;
    mode_ = connection_->request_.http_1_0 ? Mode::until_close : Mode::chunked;
    std::string out = head(status, content_type);
    out += mode_ == Mode::chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
    const auto bytes = io::bytes_of(out);
    auto sent = co_await io::send_all(connection_->fd_.get(), bytes, connection_->request_.stop);
    connection_->out_ = std::move(out);
    co_return sent;
}

Task<void> Response::begin_sized(int status, std::string_view content_type, std::uint64_t length) {
    CHECK(!started());
    mode_ = Mode::sized;
    std::string out = head(status, content_type);
    out += "Content-Length: " + std::to_string(length) + "\r\n\r\n";
    const auto bytes = io::bytes_of(out);
    auto sent = co_await io::send_all(connection_->fd_.get(), bytes, connection_->request_.stop);
    connection_->out_ = std::move(out);
    co_return sent;
}

Task<void> Response::write(std::span<const std::byte> bytes) {
    CHECK(mode_ == Mode::chunked || mode_ == Mode::until_close || mode_ == Mode::sized);
    if (bytes.empty() || connection_->request_.method == "HEAD") co_return Result<void>{};
    if (mode_ != Mode::chunked) {
        auto done = co_await io::send_all(connection_->fd_.get(), bytes, connection_->request_.stop);
        co_return done;
    }
    std::string out = std::move(connection_->out_);
    out.clear();
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
    out.append(size, end);
    out += "\r\n";
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    out += "\r\n";
    const auto framed = io::bytes_of(out);
    auto sent = co_await io::send_all(connection_->fd_.get(), framed, connection_->request_.stop);
    connection_->out_ = std::move(out);
    co_return sent;
}

Task<void> Response::finish() {
    if (mode_ != Mode::chunked) co_return Result<void>{};
    const auto last = io::bytes_of("0\r\n\r\n");
    auto done = co_await io::send_all(connection_->fd_.get(), last, connection_->stop_);
    co_return done;
}

Task<RawStream*> Response::hijack(std::string_view content_type) {
    CHECK(!started());
    // The request's own body, if any, comes before the raw bytes.
    std::byte rest[256];
    const std::span<std::byte> buffer(rest);
    while (!connection_->body_ended_) {
        CO_TRY(auto got, co_await connection_->read_body(buffer));
        if (got == 0) break;
    }
    mode_ = Mode::raw;
    connection_->request_.keep_alive = true;
    std::string out;
    if (connection_->request_.upgrade_tcp) {
        out = "HTTP/1.1 101 UPGRADED\r\nContent-Type: ";
        out += content_type;
        out += "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
    } else {
        out = "HTTP/1.1 200 OK\r\nContent-Type: ";
        out += content_type;
        out += "\r\n";
    }
    out += "Api-Version: " + version_text(api_version_newest) + "\r\n\r\n";
    auto raw = co_await hijack_with(std::move(out));
    co_return raw;
}

Task<RawStream*> Response::hijack_with(std::string head) {
    mode_ = Mode::raw;
    const auto bytes = io::bytes_of(head);
    CO_TRY_VOID(co_await io::send_all(connection_->fd_.get(), bytes, connection_->request_.stop));
    co_return &raw_;
}

Task<std::size_t> RawStream::read(std::span<std::byte> buffer) {
    Connection& c = *connection_;
    if (c.input_begin_ < c.input_end_) {
        const std::size_t length = std::min(buffer.size(), c.input_end_ - c.input_begin_);
        std::memcpy(buffer.data(), c.input_.get() + c.input_begin_, length);
        c.input_begin_ += length;
        co_return length;
    }
    auto done = co_await c.receive_into(buffer, c.request_.stop);
    co_return done;
}

Task<void> RawStream::write(std::span<const std::byte> bytes) {
    return io::send_all(connection_->fd_.get(), bytes, connection_->request_.stop);
}

std::size_t RawStream::try_write(std::span<const std::byte> head, std::span<const std::byte> body) {
    iovec parts[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                      {const_cast<std::byte*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t sent = ::sendmsg(connection_->fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

void RawStream::abandon() { ::shutdown(connection_->fd_.get(), SHUT_RDWR); }

void RawStream::end_reading() { ::shutdown(connection_->fd_.get(), SHUT_RD); }

void RawStream::close_write() { ::shutdown(connection_->fd_.get(), SHUT_WR); }

}  // namespace engine::api
