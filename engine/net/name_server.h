// The embedded name server: answers at 127.0.0.11 inside the containers' namespaces, on the loop. Names of the networks
// are asked of whoever knows them; everything else goes to several upstream servers at once, through a cache.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/net/dns_message.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"

namespace engine::net {

class NameServer {
public:
    // What one container may know. Both are asked on the loop for every query; nothing: not a name of ours.
    struct Names {
        std::function<std::optional<std::vector<Address>>(const std::string& name)> addresses;
        std::function<std::optional<std::string>(const Address& address)> name;
        // Whether others may know a name that is none of ours; they are asked before any upstream server.
        std::function<bool()> others;
        std::function<Task<std::optional<std::vector<Address>>>(std::string name, std::uint16_t type)> elsewhere;
    };
    struct Sockets {
        UniqueFd udp, tcp;
    };

    NameServer();
    ~NameServer();
    // Serves while the handle lives. No upstreams: what is not ours is answered with a failure.
    std::shared_ptr<void> serve(Sockets sockets, std::vector<std::string> upstreams, Names names);
    Task<void> close();

    std::size_t cached() const { return cache_.size(); }

private:
    struct Session;
    struct Race;
    using SessionPointer = std::shared_ptr<Session>;
    Task<void> serve_udp(SessionPointer session);
    Task<void> serve_tcp(SessionPointer session);
    Task<void> serve_connection(SessionPointer session, UniqueFd connection);
    Task<void> forward_udp(SessionPointer session, std::string query, std::string peer);
    Task<std::string> forward(SessionPointer session, std::string query, bool tcp);
    static Task<void> ask(Race* race, std::string upstream, reactor::StopToken stop);
    void receive_all(const SessionPointer& session);
    // The whole answer when it can be given at once.
    std::optional<std::string> answer_now(Session& session, const std::string& query, bool tcp);
    Task<std::string> ask_elsewhere(SessionPointer session, std::string bytes, bool tcp);
    std::optional<std::string> from_cache(const std::string& key, std::uint16_t id);
    void remember(const std::string& key, const std::string& response);

    struct Cached {
        std::string bytes;
        DnsResponse facts;
        Nanoseconds stored_at = 0, expires_at = 0;
    };
    std::map<std::string, Cached> cache_;
    std::deque<std::string> cache_order_;   // oldest first
    std::uint64_t turn_ = 0;                // rotates the addresses of one name
    reactor::Scope scope_{"name server"};
};

}  // namespace engine::net
