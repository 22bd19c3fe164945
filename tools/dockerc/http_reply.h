// An HTTP/1.1 answer parsed as its bytes arrive.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace dockerc {

using BodySink = std::function<engine::Result<void>(std::string_view)>;

class HttpReply {
public:
    // Consumes bytes; decoded body bytes go to `sink`. After an upgrade (101, or a raw stream) all bytes are body.
    engine::Result<void> feed(std::string_view bytes, const BodySink& sink);
    // The peer closed: completes a body that only a close can end.
    engine::Result<void> end();
    // HEAD answers and the like have no body whatever the headers say.
    void expect_no_body() { bodiless_ = true; }

    bool head_complete() const { return state_ > State::head; }
    bool complete() const { return state_ == State::complete; }
    bool keep_alive() const { return keep_alive_; }
    int status() const { return status_; }
    const std::string& api_version() const { return api_version_; }
    const std::string& content_type() const { return content_type_; }
    // Of the last head; "" when absent.
    std::string header(std::string_view name) const;

private:
    enum class State : std::uint8_t { head, length, until_close, chunk_size, chunk_data, chunk_end, trailer, complete };
    engine::Result<void> parse_head(std::string_view head);
    engine::Result<void> parse_chunk_line(std::string_view line);

    State state_ = State::head;
    bool keep_alive_ = true;
    bool bodiless_ = false;
    int status_ = 0;
    std::uint64_t left_ = 0;
    std::string line_;  // the head, or a chunk line, as far as it has come
    std::string api_version_, content_type_, head_;
};

}  // namespace dockerc
