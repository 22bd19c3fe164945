// One table of every endpoint.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/request.h"
#include "engine/api/response.h"
#include "engine/reactor/event.h"

namespace engine::api {

struct Services;   // what handlers work on: services.h

using Handler = Task<void> (*)(Services& services, Request& request, Response& response);

enum class Watch : unsigned char {
    no,       // the answer comes at once, or depends on the client's own bytes
    client,   // the handler may wait long: its token stops when the client goes away
    hangup,   // the same, but a client that only says it will send no more still listens
};

struct Route {
    std::string_view method;
    // "/containers/{}/json"; {} captures one segment, {*} one or more (image names hold slashes).
    std::string_view pattern;
    Handler handler;
    Watch watch = Watch::no;
    bool early = false;   // answered while containers are still being taken over
};

class Router {
public:
    // `opening`: until it is set, only early routes are answered. It outlives the router; none: all are.
    Router(std::span<const Route> routes, Services* services, reactor::Event* opening = nullptr)
        : routes_(routes), services_(services), opening_(opening) {}
    // Fills request.captures. Not found: "page not found", as dockerd words it.
    Result<const Route*> find(Request& request) const;
    Services& services() const { return *services_; }
    bool must_wait(const Route& route) const { return opening_ && !opening_->is_set() && !route.early; }
    reactor::Event::Awaiter opened(reactor::StopToken stop) const { return opening_->wait(stop); }

private:
    std::span<const Route> routes_;
    Services* services_;
    reactor::Event* opening_;
};

// Exposed for its tests: the captures of `path` under `pattern`, or none.
bool match_pattern(std::string_view pattern, std::string_view path, std::vector<std::string_view>& captures);

}  // namespace engine::api
