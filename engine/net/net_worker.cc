#include "engine/net/net_worker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "engine/net/call_packet.h"
#include "engine/net/forward_policy.h"
#include "engine/net/host_network.h"
#include "engine/net/limits.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

struct Answer {
    std::string bytes;
    std::vector<UniqueFd> fds;
};

template <class T>
Result<T> arguments(const std::string& bytes) {
    T out;
    if (!unpack(bytes, out)) return fail(ErrorKind::internal, "a broken call to the net worker");
    return out;
}

void put(Answer& answer, ResolverSockets sockets) {
    if (!sockets.udp) return;
    answer.fds.push_back(std::move(sockets.udp));
    answer.fds.push_back(std::move(sockets.tcp));
}

Result<Answer> perform(HostNetwork& host, Verb verb, const std::string& bytes, int netns) {
    Answer answer;
    switch (verb) {
        case Verb::survey: {
            TRY(const auto survey, host.survey());
            answer.bytes = pack(survey);
            return answer;
        }
        case Verb::make_bridge: {
            TRY(const auto plan, arguments<BridgePlan>(bytes));
            TRY(const auto made, host.make_bridge(plan));
            answer.bytes = pack(made);
            return answer;
        }
        case Verb::make_link: {
            TRY(const auto plan, arguments<HostLinkPlan>(bytes));
            TRY_VOID(host.make_link(plan));
            return answer;
        }
        case Verb::remove_link: {
            TRY(const auto name, arguments<std::string>(bytes));
            TRY_VOID(host.remove_link(name));
            return answer;
        }
        case Verb::attach: {
            TRY(const auto plan, arguments<AttachPlan>(bytes));
            TRY(auto attached, host.attach(plan, netns));
            if (attached.netns) answer.fds.push_back(std::move(attached.netns));
            put(answer, std::move(attached.resolver));
            return answer;
        }
        case Verb::detach: {
            TRY(const auto plan, arguments<DetachPlan>(bytes));
            TRY_VOID(host.detach(plan, netns));
            return answer;
        }
        case Verb::firewall: {
            TRY(const auto transaction, arguments<std::string>(bytes));
            TRY_VOID(host.firewall(transaction));
            return answer;
        }
        case Verb::settings: {
            TRY(const auto settings, arguments<Settings>(bytes));
            TRY_VOID(host.settings(settings));
            return answer;
        }
        case Verb::forward_drops: {
            answer.bytes = pack(dropping_forward_chains());
            return answer;
        }
        case Verb::resolver: {
            TRY(auto sockets, host.resolver(netns));
            put(answer, std::move(sockets));
            return answer;
        }
    }
    return fail(ErrorKind::internal, "an unknown call to the net worker");
}

bool send_answer(std::uint64_t number, Result<Answer> result) {
    AnswerHeader header{};
    header.number = number;
    CallPacket packet;
    if (result) {
        packet.body = std::move(result->bytes);
        packet.fds = std::move(result->fds);
    } else {
        header.error_number = result.error().error_number();
        header.kind = static_cast<std::uint32_t>(result.error().kind()) + 1;
        packet.body = result.error().message();
    }
    if (auto moved = move_to_memfd(packet); !moved) return false;
    if (packet.in_memfd) header.flags |= kCallInMemfd;
    return send_packet(net_worker_socket, &header, sizeof header, packet).has_value();
}

}  // namespace

int net_worker_main() {
    ::signal(SIGPIPE, SIG_IGN);
    // Signals for the engine's process group (a ^C at a terminal) are the engine's: it says when this one is over.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    auto host = HostNetwork::open();
    while (true) {
        CallHeader header{};
        auto packet = receive_packet(net_worker_socket, &header, sizeof header);
        if (!packet) return 0;   // the engine is gone
        if (header.flags & kCallInMemfd) {
            if (auto read = read_from_memfd(*packet); !read) return 1;
        }
        const bool has_netns = (header.flags & kCallHasNetns) && !packet->fds.empty();
        const int netns = has_netns ? packet->fds.back().get() : -1;
        auto result = host ? perform(*host, header.verb, packet->body, netns)
                           : Result<Answer>(fail(host.error().copy()));
        if (!send_answer(header.number, std::move(result))) return 0;
    }
}

}  // namespace engine::net
