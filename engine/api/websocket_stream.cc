#include "engine/api/websocket_stream.h"

#include <algorithm>
#include <cstring>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

constexpr std::size_t input_bytes = 16 * 1024;

}  // namespace

Task<void> WebSocketStream::send(std::string frame) {
    CO_TRY(auto held, co_await lane_.enter());
    if (said_goodbye_) co_return fail(ErrorKind::canceled, "the websocket is closed");
    const auto bytes = io::bytes_of(frame);
    auto sent = co_await raw_->write(bytes);
    co_return sent;
}

Task<void> WebSocketStream::send_last(std::string frame) {
    auto sent = co_await send(std::move(frame));
    said_goodbye_ = true;
    co_return sent;
}

Task<void> WebSocketStream::write(std::span<const std::byte> bytes) {
    std::string frame = websocket_head(op_, bytes.size());
    frame.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto sent = co_await send(std::move(frame));
    co_return sent;
}

// False: the client closes, and has its answer.
Task<bool> WebSocketStream::answer_control() {
    const std::string payload(reader_.payload());
    if (reader_.op() == WebSocketOp::pong) co_return true;
    const bool ping = reader_.op() == WebSocketOp::ping;
    std::string frame = websocket_head(ping ? WebSocketOp::pong : WebSocketOp::close, payload.size()) + payload;
    if (ping) {
        CO_TRY_VOID(co_await send(std::move(frame)));
        co_return true;
    }
    CO_TRY_VOID(co_await send_last(std::move(frame)));
    co_return false;
}

Task<std::size_t> WebSocketStream::read(std::span<std::byte> buffer) {
    if (!memory_) memory_ = std::make_unique_for_overwrite<char[]>(input_bytes);
    while (piece_.empty()) {
        const auto step = reader_.step(input_);
        if (step == WebSocketReader::Step::data) {
            piece_ = reader_.payload();
        } else if (step == WebSocketReader::Step::control) {
            CO_TRY(const bool more, co_await answer_control());
            if (!more) co_return std::size_t{0};
        } else if (step == WebSocketReader::Step::bad) {
            std::string frame = websocket_close(reader_.close_code(), reader_.why());
            CO_TRY_VOID(co_await send_last(std::move(frame)));
            co_return std::size_t{0};
        } else {
            const auto room = std::as_writable_bytes(std::span(memory_.get(), input_bytes));
            CO_TRY(const std::size_t got, co_await raw_->read(room));
            if (got == 0) co_return std::size_t{0};
            input_ = std::span(memory_.get(), got);
        }
    }
    const std::size_t size = std::min(buffer.size(), piece_.size());
    std::memcpy(buffer.data(), piece_.data(), size);
    piece_.remove_prefix(size);
    co_return size;
}

Task<void> WebSocketStream::close() {
    if (said_goodbye_) co_return Result<void>{};
    std::string frame = websocket_close(websocket_normal, "");
    auto sent = co_await send_last(std::move(frame));
    co_return sent;
}

}  // namespace engine::api
