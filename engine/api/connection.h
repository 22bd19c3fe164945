// One client: requests in order, each answered before the next is looked at (pipelined ones wait in the buffer).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/api/limits.h"
#include "engine/api/request.h"
#include "engine/api/request_parser.h"
#include "engine/api/response.h"
#include "engine/api/router.h"
#include "engine/reactor/io.h"
#include "engine/reactor/receive_stream.h"

namespace engine::api {

class Connection {
public:
    Connection(UniqueFd fd, const Router* router, Patience patience, reactor::StopToken stop);
    // Until the client leaves, misbehaves, is idle too long, or the server stops.
    Task<void> serve();

private:
    friend class Response;
    friend class RawStream;

    class Body : public ByteSource {
    public:
        explicit Body(Connection* connection) : connection_(connection) {}
        Task<std::size_t> read(std::span<std::byte> buffer) override { return connection_->read_body(buffer); }

    private:
        Connection* connection_;
    };

    Task<void> converse();
    Task<bool> next_head();             // false: the client left between requests
    Task<void> answer();
    Task<void> call_handler(Response* response);
    Task<void> watched(Response* response, const Route* route);
    Task<void> watch_client(reactor::StopSource* gone, Watch watch, reactor::StopToken answered);
    Task<std::size_t> read_body(std::span<std::byte> buffer);
    Task<bool> drain_body();            // false: too much is left, the connection ends
    Task<std::size_t> receive(reactor::StopToken stop);
    Task<std::size_t> receive_into(std::span<std::byte> buffer, reactor::StopToken stop);
    Task<std::size_t> receive_idle(reactor::StopToken stop);
    void resize_input(std::size_t bytes);
    Task<void> refuse(int status, std::string_view text);
    ParseStep parse();

    UniqueFd fd_;
    reactor::ReceiveStream incoming_;   // of heads; what is long or raw is received by a request each
    const Router* router_;
    Patience patience_;
    reactor::StopToken stop_;
    Request request_;
    RequestParser parser_{&request_};
    Body body_{this};
    std::unique_ptr<char[]> input_;     // none while the client is idle
    std::size_t input_bytes_ = 0;       // of input_: more while a large body comes
    std::size_t input_begin_ = 0;
    std::size_t input_end_ = 0;
    std::string_view piece_;            // of the body, in input_, not yet read
    bool body_ended_ = false;
    bool continue_sent_ = false;
    std::string out_;                   // keeps its capacity between answers
};

}  // namespace engine::api
