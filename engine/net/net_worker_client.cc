#include "engine/net/net_worker_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "engine/net/call_packet.h"
#include "engine/net/limits.h"
#include "engine/net/net_worker.h"
#include "engine/reactor/child_process.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr unsigned calls_under_way_max = 16;
constexpr int socket_buffer_bytes = 2 << 20;

}  // namespace
static_assert(calls_under_way_max * limits::call_inline_bytes * 2 <= socket_buffer_bytes);

// Lives in the frame of the waiting call.
struct NetWorkerClient::Pending {
    std::uint64_t number = 0;
    Result<Raw> result = fail(ErrorKind::internal, "no answer");
    reactor::Event answered;
};

NetWorkerClient::NetWorkerClient(std::string binary) : binary_(std::move(binary)) {}
NetWorkerClient::~NetWorkerClient() = default;

Result<void> NetWorkerClient::start() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail_errno(errno, "making the net worker's socket");
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer_bytes, sizeof socket_buffer_bytes);
    const reactor::FdMapping descriptors[] = {{theirs.get(), net_worker_socket}, {STDERR_FILENO, STDERR_FILENO}};
    TRY(auto process, reactor::ChildProcess::spawn({binary_, "worker", "net"}, {}, descriptors));
    process_ = std::make_unique<reactor::ChildProcess>(std::move(process));
    socket_ = std::move(ours);
    scope_.spawn("receive", receive());
    return {};
}

// Whoever waits is told, and the next call finds no socket.
void NetWorkerClient::lost(const Error& error) {
    socket_.reset();
    process_.reset();
    while (!pending_.empty()) {
        Pending* waiting = pending_.front();
        pending_.pop_front();
        waiting->result = fail(error.copy());
        waiting->answered.set();
    }
}

Task<void> NetWorkerClient::receive() {
    const int socket = socket_.get();
    while (true) {
        auto events = co_await io::poll(socket, POLLIN, scope_.token());
        if (!events) {
            lost(events.error());
            co_return Result<void>{};
        }
        AnswerHeader header{};
        auto packet = receive_packet(socket, &header, sizeof header);
        if (packet && (header.flags & kCallInMemfd)) {
            if (auto read = read_from_memfd(*packet); !read) packet = fail(std::move(read.error()));
        }
        if (packet && (pending_.empty() || pending_.front()->number != header.number))
            packet = fail(ErrorKind::internal, "the net worker answers what it was not asked");
        if (!packet) {
            log_error("the net worker is lost: " + packet.error().message());
            lost(packet.error());
            co_return Result<void>{};
        }
        Pending* waiting = pending_.front();
        pending_.pop_front();
        if (header.kind == 0) {
            waiting->result = Raw{std::move(packet->body), std::move(packet->fds)};
        } else {
            waiting->result = fail(Error(static_cast<ErrorKind>(header.kind - 1), std::move(packet->body),
                                         header.error_number));
        }
        waiting->answered.set();
    }
}

// No more are under way than the socket has room for: sending never waits. In the order of the calls.
Task<NetWorkerClient::Raw> NetWorkerClient::call(Verb verb, std::string arguments, int netns) {
    if (under_way_ >= calls_under_way_max) {
        ++waiting_;
        auto woken = co_await turn_.wait();
        ignore_result(woken, "leave_turn() hands a place on");
        --waiting_;
    } else {
        ++under_way_;
    }
    auto raw = co_await call_in_turn(verb, std::move(arguments), netns);
    leave_turn();
    co_return raw;
}

void NetWorkerClient::leave_turn() {
    if (!turn_.notify_one()) --under_way_;
}

Task<NetWorkerClient::Raw> NetWorkerClient::call_in_turn(Verb verb, std::string arguments, int netns) {
    if (scope_.token().stop_requested()) co_return fail(ErrorKind::unavailable, "the engine is stopping");
    if (!socket_) {
        CO_TRY_VOID(start());
    }
    Pending waiting;
    waiting.number = ++calls_;
    CallHeader header{};
    header.number = waiting.number;
    header.verb = verb;
    CallPacket packet;
    packet.body = std::move(arguments);
    if (netns >= 0) {
        header.flags |= kCallHasNetns;
        const int copy = fcntl(netns, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) co_return fail_errno(errno, "duplicating a descriptor");
        packet.fds.emplace_back(copy);
    }
    CO_TRY_VOID(move_to_memfd(packet));
    if (packet.in_memfd) header.flags |= kCallInMemfd;
    pending_.push_back(&waiting);
    if (auto sent = send_packet(socket_.get(), &header, sizeof header, packet); !sent) {
        std::erase(pending_, &waiting);
        co_return fail(std::move(sent.error()));
    }
    auto answered = co_await waiting.answered.wait();
    ignore_result(answered, "lost() answers too");
    co_return std::move(waiting.result);
}

namespace {

template <class T>
Result<T> unpacked(const std::string& bytes) {
    T out;
    if (!unpack(bytes, out)) return fail(ErrorKind::internal, "a broken answer of the net worker");
    return out;
}

}  // namespace

Task<Survey> NetWorkerClient::survey() {
    std::string arguments;
    CO_TRY(const auto raw, co_await call(Verb::survey, std::move(arguments), -1));
    co_return unpacked<Survey>(raw.body);
}

Task<std::vector<std::string>> NetWorkerClient::forward_drops() {
    std::string arguments;
    CO_TRY(const auto raw, co_await call(Verb::forward_drops, std::move(arguments), -1));
    co_return unpacked<std::vector<std::string>>(raw.body);
}

Task<BridgeMade> NetWorkerClient::make_bridge(BridgePlan plan) {
    std::string arguments = pack(plan);
    CO_TRY(const auto raw, co_await call(Verb::make_bridge, std::move(arguments), -1));
    co_return unpacked<BridgeMade>(raw.body);
}

Task<void> NetWorkerClient::make_link(HostLinkPlan plan) {
    std::string arguments = pack(plan);
    CO_TRY(const auto raw, co_await call(Verb::make_link, std::move(arguments), -1));
    co_return Result<void>{};
}

Task<void> NetWorkerClient::remove_link(std::string name) {
    std::string arguments = pack(name);
    CO_TRY(const auto raw, co_await call(Verb::remove_link, std::move(arguments), -1));
    co_return Result<void>{};
}

Task<NetWorkerClient::Attached> NetWorkerClient::attach(AttachPlan plan, int netns) {
    std::string arguments = pack(plan);
    CO_TRY(auto raw, co_await call(Verb::attach, std::move(arguments), netns));
    Attached out;
    const std::size_t wanted = (netns < 0 ? 1u : 0u) + (plan.resolver ? 2u : 0u);
    if (raw.fds.size() != wanted) co_return fail(ErrorKind::internal, "the net worker sent no descriptors");
    std::size_t at = 0;
    if (netns < 0) out.netns = std::move(raw.fds[at++]);
    if (plan.resolver) {
        out.resolver_udp = std::move(raw.fds[at++]);
        out.resolver_tcp = std::move(raw.fds[at++]);
    }
    co_return out;
}

Task<void> NetWorkerClient::detach(DetachPlan plan, int netns) {
    std::string arguments = pack(plan);
    CO_TRY(const auto raw, co_await call(Verb::detach, std::move(arguments), netns));
    co_return Result<void>{};
}

Task<void> NetWorkerClient::firewall(std::string transaction) {
    std::string arguments = pack(transaction);
    CO_TRY(const auto raw, co_await call(Verb::firewall, std::move(arguments), -1));
    co_return Result<void>{};
}

Task<void> NetWorkerClient::settings(Settings settings) {
    std::string arguments = pack(settings);
    CO_TRY(const auto raw, co_await call(Verb::settings, std::move(arguments), -1));
    co_return Result<void>{};
}

Task<NetWorkerClient::Attached> NetWorkerClient::resolver(int netns) {
    std::string arguments;
    CO_TRY(auto raw, co_await call(Verb::resolver, std::move(arguments), netns));
    if (raw.fds.size() != 2) co_return fail(ErrorKind::internal, "the net worker sent no descriptors");
    Attached out;
    out.resolver_udp = std::move(raw.fds[0]);
    out.resolver_tcp = std::move(raw.fds[1]);
    co_return out;
}

Task<void> NetWorkerClient::close() {
    scope_.request_stop();
    auto joined = co_await scope_.join();
    co_return joined;
}

}  // namespace engine::net
