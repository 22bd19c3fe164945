#include "engine/api/websocket.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/reactor/try.h"

namespace engine::api {
namespace {

std::string base64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string sha1(std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1);
    return {reinterpret_cast<char*>(digest), size};
}

bool lists(std::string_view header, std::string_view word) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    while (!header.empty()) {
        std::string_view item = header.substr(0, header.find(','));
        header.remove_prefix(std::min(header.size(), item.size() + 1));
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (std::equal(item.begin(), item.end(), word.begin(), word.end(),
                       [&](char a, char b) { return lower(a) == b; }))
            return true;
    }
    return false;
}

}  // namespace

Result<std::string> websocket_accept(const Request& request) {
    constexpr std::size_t key_characters = 24;  // 16 bytes in base64
    const std::string_view key = request.header("sec-websocket-key");
    if (!lists(request.header("connection"), "upgrade") || !lists(request.header("upgrade"), "websocket"))
        return fail(ErrorKind::invalid, "not websocket protocol");
    if (request.header("sec-websocket-version") != "13")
        return fail(ErrorKind::invalid, "missing or bad WebSocket Version");
    if (key.size() != key_characters || !key.ends_with("=="))
        return fail(ErrorKind::invalid, "mismatch challenge/response: Sec-WebSocket-Key is not 16 bytes in base64");
    const std::string accept = base64(sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           accept + "\r\n\r\n";
}

std::string websocket_head(WebSocketOp op, std::uint64_t size) {
    std::string out(1, static_cast<char>(0x80 | static_cast<unsigned char>(op)));
    int bytes = 0;
    if (size < 126) {
        out += static_cast<char>(size);
    } else if (size <= 0xffff) {
        out += static_cast<char>(126);
        bytes = 2;
    } else {
        out += static_cast<char>(127);
        bytes = 8;
    }
    while (bytes-- > 0) out += static_cast<char>(size >> (8 * bytes));
    return out;
}

std::string websocket_close(std::uint16_t code, std::string_view reason) {
    reason = reason.substr(0, websocket_control_bytes_max - 2);
    std::string out = websocket_head(WebSocketOp::close, reason.size() + 2);
    out += static_cast<char>(code >> 8);
    out += static_cast<char>(code);
    return out.append(reason);
}

WebSocketReader::Step WebSocketReader::bad(std::uint16_t code, const char* why) {
    close_code_ = code;
    why_ = why;
    return Step::bad;
}

// True once the head is whole: two bytes say how long it is.
bool WebSocketReader::take_head(std::span<char>& input) {
    while (!input.empty()) {
        head_[head_bytes_++] = input.front();
        input = input.subspan(1);
        if (head_bytes_ < 2) continue;
        const unsigned size = static_cast<unsigned char>(head_[1]) & 0x7f;
        const bool masked = (head_[1] & 0x80) != 0;
        const std::size_t whole = 2 + (size == 126 ? 2U : size == 127 ? 8U : 0U) + (masked ? 4U : 0U);
        if (head_bytes_ == whole) return true;
    }
    return false;
}

WebSocketReader::Step WebSocketReader::begin_frame() {
    const auto first = static_cast<unsigned char>(head_[0]);
    const auto second = static_cast<unsigned char>(head_[1]);
    const bool final = (first & 0x80) != 0;
    const auto op = static_cast<WebSocketOp>(first & 0x0f);
    if ((first & 0x70) != 0) return bad(websocket_protocol_error, "a reserved bit is set");
    if ((second & 0x80) == 0) return bad(websocket_protocol_error, "a client's frame is not masked");
    left_ = second & 0x7f;
    std::size_t at = 2;
    if (left_ >= 126) {
        const std::size_t bytes = left_ == 126 ? 2 : 8;
        left_ = 0;
        for (std::size_t i = 0; i < bytes; ++i) left_ = left_ << 8 | static_cast<unsigned char>(head_[at++]);
    }
    std::memcpy(mask_, head_ + at, sizeof mask_);
    unmasked_ = 0;
    head_bytes_ = 0;
    in_frame_ = true;
    if (op == WebSocketOp::close || op == WebSocketOp::ping || op == WebSocketOp::pong) {
        if (!final) return bad(websocket_protocol_error, "a control frame is fragmented");
        if (left_ > websocket_control_bytes_max) return bad(websocket_protocol_error, "a control frame is too long");
        control_.clear();
    } else if (op == WebSocketOp::more) {
        if (!in_message_) return bad(websocket_protocol_error, "a continuation of nothing");
        in_message_ = !final;
    } else if (op == WebSocketOp::text || op == WebSocketOp::binary) {
        if (in_message_) return bad(websocket_protocol_error, "a message begins within a message");
        in_message_ = !final;
    } else {
        return bad(websocket_protocol_error, "an unknown opcode");
    }
    if (left_ > websocket_frame_bytes_max) return bad(websocket_too_big, "a frame is too long");
    op_ = op;
    return Step::need_input;
}

WebSocketReader::Step WebSocketReader::step(std::span<char>& input) {
    while (true) {
        if (!in_frame_) {
            if (!take_head(input)) return Step::need_input;
            if (begin_frame() == Step::bad) return Step::bad;
        }
        const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<char>(input[i] ^ mask_[(unmasked_ + i) & 3]);
        const std::string_view piece(input.data(), size);
        input = input.subspan(size);
        unmasked_ += size;
        left_ -= size;
        in_frame_ = left_ > 0;
        if (static_cast<unsigned char>(op_) >= 8) {
            control_ += piece;
            payload_ = control_;
            if (!in_frame_) return Step::control;
            return Step::need_input;
        }
        payload_ = piece;
        if (size > 0) return Step::data;
        if (in_frame_) return Step::need_input;
    }
}

}  // namespace engine::api
