// Names between the engines of a VXLAN network, in plain DNS over UDP at the underlay's addresses: asked of all peers
// at once with a short patience, answered to peers only. A peer that is silent is left alone for some seconds.
#pragma once

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

class PeerNames {
public:
    struct Question {
        Address peer, local;   // of the underlay; no local one: nobody is asked
        std::string name;      // as the peers are asked: with the network's number
    };
    // Of the first peer that knows the name, those of the type; none: nobody knows it.
    using Found = std::optional<std::vector<Address>>;
    Task<Found> ask(std::vector<Question> questions, std::uint16_t type, reactor::StopToken stop);

    // Asked on the loop for every query. Who is no peer gets no answer at all.
    struct Answers {
        std::function<bool(const Address& from)> is_peer;
        std::function<Found(const Address& from, const std::string& name)> addresses;
    };
    // Serves at this address of the host while the handle lives.
    Result<std::shared_ptr<void>> serve(const Address& local, Answers answers);
    Task<void> close();

private:
    struct Session;
    struct Race;
    Task<void> ask_one(Race* race, Question question, reactor::StopToken stop);
    Task<void> serve_all(std::shared_ptr<Session> session);
    static void receive_all(Session& session);

    std::map<Address, Nanoseconds> away_;   // until when
    reactor::Scope scope_{"names of peers"};
};

}  // namespace engine::net
