// RFC 6455: the handshake and frames. Pure: bytes in, bytes out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/api/request.h"
#include "engine/reactor/result.h"

namespace engine::api {

constexpr std::size_t websocket_control_bytes_max = 125;  // of a ping, pong or close
// A data frame may announce any length up to this: it is passed on in pieces, never kept as a whole.
constexpr std::uint64_t websocket_frame_bytes_max = std::uint64_t{1} << 40;

enum class WebSocketOp : unsigned char { more = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Codes of a close frame.
constexpr std::uint16_t websocket_normal = 1000;
constexpr std::uint16_t websocket_protocol_error = 1002;
constexpr std::uint16_t websocket_too_big = 1009;

// The head that answers `request`, or why it is no websocket handshake.
Result<std::string> websocket_accept(const Request& request);

// An unmasked frame, as a server sends: its head alone.
std::string websocket_head(WebSocketOp op, std::uint64_t size);
std::string websocket_close(std::uint16_t code, std::string_view reason);

// Frames as a client sends them, out of bytes that come in pieces of any size.
class WebSocketReader {
public:
    enum class Step : unsigned char {
        need_input,  // all of the input was used
        data,        // payload() is a piece of a message
        control,     // op() and payload(): a whole ping, pong or close
        bad,         // close_code() and why()
    };
    // Looks at `input` (its bytes are unmasked in place) and takes what it has used off its front.
    Step step(std::span<char>& input);
    std::string_view payload() const { return payload_; }
    WebSocketOp op() const { return op_; }
    std::uint16_t close_code() const { return close_code_; }
    std::string_view why() const { return why_; }

private:
    Step bad(std::uint16_t code, const char* why);
    Step begin_frame();
    bool take_head(std::span<char>& input);

    char head_[14] = {};
    std::size_t head_bytes_ = 0;
    std::uint64_t left_ = 0;          // of the frame's payload
    std::uint64_t unmasked_ = 0;      // of it so far: where in the mask the next byte stands
    char mask_[4] = {};
    WebSocketOp op_ = WebSocketOp::more;
    std::string control_;
    std::string_view payload_;
    std::uint16_t close_code_ = 0;
    const char* why_ = "";
    bool in_frame_ = false;
    bool in_message_ = false;         // the last data frame was not final
};

}  // namespace engine::api
