// A websocket as a stream of bytes both ways: messages of any kind are input, each piece of output is a message. Pings
// are answered, a close is answered and ends the input.
#pragma once

#include <memory>
#include <string>

#include "engine/api/response.h"
#include "engine/api/websocket.h"
#include "engine/reactor/event.h"

namespace engine::api {

class WebSocketStream : public ByteSource, public ByteSink {
public:
    // `raw` outlives it.
    WebSocketStream(RawStream* raw, bool binary)
        : raw_(raw), op_(binary ? WebSocketOp::binary : WebSocketOp::text) {}
    Task<std::size_t> read(std::span<std::byte> buffer) override;
    void end_reading() override { raw_->end_reading(); }
    Task<void> write(std::span<const std::byte> bytes) override;
    void abandon() override { raw_->abandon(); }
    // Says goodbye, unless the client has.
    Task<void> close();

private:
    Task<void> send(std::string frame);
    Task<void> send_last(std::string frame);
    Task<bool> answer_control();

    RawStream* raw_;
    WebSocketOp op_;
    WebSocketReader reader_;
    std::unique_ptr<char[]> memory_;   // what has been received, of which
    std::span<char> input_;            // this is left
    std::string_view piece_;           // of a message, not yet read
    reactor::Lane lane_;               // frames are sent whole, one after the other
    bool said_goodbye_ = false;
};

}  // namespace engine::api
