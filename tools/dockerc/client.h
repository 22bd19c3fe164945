// The engine's API seen from a client: HTTP/1.1 over a unix socket or TCP, one request at a time per connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"
#include "tools/dockerc/http_reply.h"

namespace dockerc {

using engine::Result;
using engine::UniqueFd;

// Where the engine listens. "unix:///run/docker.sock", "tcp://host:port".
struct Endpoint {
    enum class Kind { unix_socket, tcp } kind = Kind::unix_socket;
    std::string address;  // the URL as given, for messages
    std::string path;     // unix
    std::string host, port;
};
Result<Endpoint> parse_endpoint(std::string_view url);

// One connection with a request on its way. The descriptor may be polled; feed() takes what has arrived.
class Connection {
public:
    explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}
    int fd() const { return fd_.get(); }
    Result<void> send(std::string_view bytes);
    // Waits for the head of the answer. Interim 100 answers are skipped.
    Result<void> receive_head();
    // Reads what is there (waits for at least one byte) and gives decoded body bytes to `sink`; false at the end.
    Result<bool> receive_some(const BodySink& sink);
    const HttpReply& reply() const { return reply_; }
    HttpReply& reply() { return reply_; }
    bool reusable() const { return reply_.complete() && reply_.keep_alive(); }
    void reset() { reply_ = HttpReply(); }
    // After an upgrade: the bytes behind the head and the descriptor itself.
    UniqueFd take_fd() { return std::move(fd_); }
    std::string take_rest() { return std::move(early_); }

private:
    UniqueFd fd_;
    HttpReply reply_;
    std::string early_;  // body bytes that came with the head
};

struct Answer {
    int status = 0;
    std::string body;
    bool ok() const { return status >= 200 && status < 300; }
};

struct Hijacked {
    UniqueFd fd;
    std::string early;  // bytes of the stream that came with the head
    std::string content_type;
};

class Client {
public:
    explicit Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

    const std::string& address() const { return endpoint_.address; }
    // The version spoken: the lower of ours and the engine's, asked once through /_ping.
    Result<std::string> api_version();

    // The X-Registry-Auth of the requests that follow.
    void set_registry_auth(std::string value) { registry_auth_ = std::move(value); }
    // A whole exchange. `path` is without the version. An answer with an error status is an Answer, not an Error.
    Result<Answer> request(std::string_view method, std::string_view path, std::string_view body = {});
    // As request, but an error status becomes "Error response from daemon: <message>".
    Result<std::string> call(std::string_view method, std::string_view path, std::string_view body = {});
    // A streamed answer.
    Result<void> stream(std::string_view method, std::string_view path, const BodySink& sink);
    // A streamed upload from a descriptor and a streamed answer.
    Result<void> upload(std::string_view path, int source, const BodySink& sink, std::string_view method = "POST");
    // A request sent on a connection of its own whose head has been read (wait, logs -f).
    Result<std::unique_ptr<Connection>> open(std::string_view method, std::string_view path,
                                             std::string_view body = {});
    // `body`: JSON, when there is one.
    Result<Hijacked> hijack(std::string_view path, std::string_view body = {});

private:
    Result<std::unique_ptr<Connection>> connect();
    Result<std::string> head(std::string_view method, std::string_view path, std::string_view more);
    Result<Answer> exchange(std::string_view bytes);

    Endpoint endpoint_;
    std::string version_;
    std::string registry_auth_;
    std::unique_ptr<Connection> idle_;
};

// "Error response from daemon: <message>" of an error answer.
engine::Error daemon_error(int status, std::string_view body);
std::string url_escape(std::string_view text);

}  // namespace dockerc
