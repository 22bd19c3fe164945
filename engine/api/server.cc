#include "engine/api/server.h"

#include <sys/socket.h>

#include "engine/api/connection.h"
#include "engine/api/error_status.h"
#include "engine/api/limits.h"
#include "engine/reactor/accept_stream.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

// After EMFILE and the like, accepting again at once would spin.
constexpr Nanoseconds accept_retry = 50 * millisecond;

void refuse_connection(int fd) {
    const std::string body =
        error_body("the engine has its " + std::to_string(connections_max) + " connections already");
    const std::string answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    [[maybe_unused]] const ssize_t sent = ::send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

void Server::serve(Listening listening) { scope_.spawn("accept", accept_loop(std::move(listening))); }

Task<void> Server::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

Task<void> Server::accept_loop(Listening listening) {
    reactor::AcceptStream connections(listening.fd.get());
    while (true) {
        auto accepted = co_await connections.next(scope_.token());
        if (accepted && connections_ >= connections_max) {
            refuse_connection(accepted->get());
        } else if (accepted) {
            scope_.spawn("connection", serve_client(std::move(*accepted)));
        } else if (scope_.token().stop_requested()) {
            break;
        } else {
            log_warn(listening.address + ": " + accepted.error().message() + ", trying again");
            auto slept = co_await reactor::sleep_for(accept_retry, scope_.token());
            ignore_result(slept, "the loop's condition sees a stop");
        }
    }
    CO_TRY_VOID(co_await connections.close());
    if (!listening.unlink_path.empty()) ::unlink(listening.unlink_path.c_str());
    co_return Result<void>{};
}

Task<void> Server::serve_client(UniqueFd fd) {
    ++connections_;
    Connection connection(std::move(fd), &router_, patience_, scope_.token());
    auto served = co_await connection.serve();
    --connections_;
    co_return served;
}

}  // namespace engine::api
