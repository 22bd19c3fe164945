// The engine's side of the net worker: calls that suspend instead of blocking. Calls are sent at once and answered in
// their order; a worker that dies fails those that wait, and the next call starts another.
#pragma once

#include <deque>
#include <string>

#include "engine/net/net_call.h"
#include "engine/reactor/event.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/unique_fd.h"

namespace engine::reactor {
class ChildProcess;
}

namespace engine::net {

class NetWorkerClient {
public:
    // `binary` is dockercd. Nothing is started until the first call.
    explicit NetWorkerClient(std::string binary);
    ~NetWorkerClient();

    Task<Survey> survey();
    Task<BridgeMade> make_bridge(BridgePlan plan);
    Task<void> make_link(HostLinkPlan plan);   // or finds it
    Task<void> remove_link(std::string name);
    struct Attached {
        UniqueFd netns, resolver_udp, resolver_tcp;
    };
    // netns: borrowed; -1: a new one.
    Task<Attached> attach(AttachPlan plan, int netns);
    Task<void> detach(DetachPlan plan, int netns);
    Task<void> firewall(std::string transaction);
    Task<void> settings(Settings settings);
    Task<Attached> resolver(int netns);
    Task<std::vector<std::string>> forward_drops();   // forward_policy.h

    Task<void> close();

private:
    struct Pending;
    struct Raw {
        std::string body;
        std::vector<UniqueFd> fds;
    };
    Task<Raw> call(Verb verb, std::string arguments, int netns);
    Result<void> start();
    Task<Raw> call_in_turn(Verb verb, std::string arguments, int netns);
    void leave_turn();
    Task<void> receive();
    void lost(const Error& error);

    std::string binary_;
    UniqueFd socket_;
    std::unique_ptr<reactor::ChildProcess> process_;
    std::deque<Pending*> pending_;   // oldest first
    std::uint64_t calls_ = 0;
    reactor::Event turn_;            // for those that wait until fewer calls are under way
    unsigned under_way_ = 0;
    unsigned waiting_ = 0;
    reactor::Scope scope_{"net worker"};
};

}  // namespace engine::net
