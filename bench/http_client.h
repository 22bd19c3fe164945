// A small HTTP/1.1 client over a unix socket: one request at a time on a kept-open connection, driven by poll().
#pragma once
#include <poll.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

std::int64_t now_ns();

struct Response {
    int status = 0;
    std::string body;  // empty when a sink took it
};

class Connection {
public:
    using Done = std::function<void(const Response&)>;
    using Sink = std::function<void(std::string_view)>;

    explicit Connection(std::string path) : path_(std::move(path)) {}
    ~Connection() { disconnect(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Starts a request. BODY must live until DONE is called; DONE may start the next one. Status 0: the connection
    // broke.
    void request(std::string_view method, std::string_view target, std::string_view body, Done done,
                 std::string_view type = "application/json");
    void set_sink(Sink sink) { sink_ = std::move(sink); }  // takes the bodies of successful answers
    bool busy() const { return static_cast<bool>(done_); }
    bool try_connect();  // false: nobody listens yet
    pollfd interest() const;
    void ready(short events);
    int fd() const { return fd_; }
    void disconnect();

private:
    enum class State { kHead, kFixed, kUntilClose, kChunkSize, kChunkData, kChunkEnd, kTrailer };

    void flush();
    void parse();
    bool parse_head();
    void take(std::string_view bytes);
    void finish();
    void broken();

    std::string path_;
    int fd_ = -1;
    std::string head_;  // the request's head, not yet written from head_at_ on
    std::size_t head_at_ = 0;
    std::string_view body_;
    std::string in_;
    std::size_t in_at_ = 0;
    State state_ = State::kHead;
    std::uint64_t left_ = 0;
    bool close_ = false;
    bool is_head_ = false;
    Response response_;
    Done done_;
    Sink sink_;
};

// Polls all that are busy until none is. A SIDE connection is polled too, but not waited for; TICK, called every turn,
// may start its next request and says in how many milliseconds it wants to be called again.
void drive(const std::vector<Connection*>& connections, Connection* side = nullptr,
           const std::function<int()>& tick = nullptr);
// One request, waited for.
Response call(Connection& connection, std::string_view method, std::string_view target, std::string_view body = {},
              std::string_view type = "application/json");

}  // namespace bench
