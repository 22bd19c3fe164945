// Listening sockets and the connections they bring.
#pragma once

#include <string>
#include <vector>

#include "engine/api/limits.h"
#include "engine/api/router.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/unique_fd.h"

namespace engine::api {

struct Listening {
    UniqueFd fd;
    std::string address;      // as given
    std::string unlink_path;  // of a unix socket that we made
};

// "unix:///path", "tcp://host:port" (port 2375 when absent) or "fd://" (every socket passed by the service manager).
// A unix socket belongs to root and `group` (root alone where that group is missing), mode 0660; one on which another
// daemon answers is refused, a dead one replaced.
Result<std::vector<Listening>> listen_on(const std::string& address, const std::string& group);
// Before anything else is opened: sockets that a service manager passed (sd_listen_fds(3)) are not inherited further.
Result<void> keep_passed_sockets();

class Server {
public:
    Server(Router router, reactor::StopToken stop, Patience patience = {})
        : router_(router), patience_(patience), scope_("api", stop) {}
    void serve(Listening listening);
    // A connection that someone else accepted.
    void adopt(UniqueFd fd) { scope_.spawn("connection", serve_client(std::move(fd))); }
    // Stops accepting and ends every connection.
    Task<void> close();
    std::size_t connections() const { return connections_; }

private:
    Task<void> accept_loop(Listening listening);
    Task<void> serve_client(UniqueFd fd);

    Router router_;
    Patience patience_;
    reactor::Scope scope_;
    std::size_t connections_ = 0;
};

}  // namespace engine::api
