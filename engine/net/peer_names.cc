#include "engine/net/peer_names.h"

#include <poll.h>

#include <algorithm>

#include "engine/net/dns_exchange.h"
#include "engine/net/limits.h"
#include "engine/net/socket_address.h"
#include "engine/reactor/io.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr Nanoseconds ask_patience = 200 * millisecond;   // then the query is sent once more
constexpr int ask_attempts = 2;
constexpr Nanoseconds away_time = 10 * second;
constexpr std::uint32_t answer_ttl = 1;                   // seconds: nobody keeps it
constexpr int datagrams_at_once = 32;                     // then others have their turn

// From a port of its own: who guesses must guess that and the id, and the kernel lets in the peer's packets only.
Result<UniqueFd> asking_socket(const PeerNames::Question& question) {
    const SocketAddress local = socket_address(question.local, 0);
    const SocketAddress peer = socket_address(question.peer, limits::peer_names_port);
    UniqueFd fd(::socket(local.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), local.get(), local.size) != 0 || ::connect(fd.get(), peer.get(), peer.size) != 0)
        return fail_errno(errno, "asking a peer for a name");
    return fd;
}

struct PeerAnswer {
    unsigned code = 0;
    std::vector<Address> addresses;
};

// Nothing: not the answer to this query.
std::optional<PeerAnswer> read_answer(std::string_view bytes, std::uint16_t id, const std::string& name,
                                  std::uint16_t type) {
    const auto facts = parse_response(bytes);
    if (!facts || facts->id != id || facts->name != name || facts->type != type) return std::nullopt;
    PeerAnswer out;
    out.code = facts->code;
    out.addresses = addresses_in(bytes, *facts, type);
    return out;
}

// Nothing: silence, or nobody listens there.
Task<PeerAnswer> ask_peer(PeerNames::Question question, std::uint16_t type, reactor::StopToken stop) {
    CO_TRY(const auto fd, asking_socket(question));
    const std::uint16_t id = random_number();
    Exchange asked;
    asked.fd = fd.get();
    asked.query = build_query(id, question.name, type);
    asked.ours = [&](std::string_view bytes) { return read_answer(bytes, id, question.name, type).has_value(); };
    asked.whom = "a peer";
    asked.attempts = ask_attempts;
    asked.patience = ask_patience;
    CO_TRY(const std::string bytes, co_await exchange(std::move(asked), stop));
    co_return *read_answer(bytes, id, question.name, type);
}

}  // namespace

struct PeerNames::Session {
    UniqueFd udp;
    Answers answers;
    reactor::StopSource stop;
};

struct PeerNames::Race {
    std::uint16_t type = 0;
    std::size_t running = 0;
    Found found;
    reactor::Event over;
};

Task<PeerNames::Found> PeerNames::ask(std::vector<Question> questions, std::uint16_t type, reactor::StopToken stop) {
    const Nanoseconds now = reactor::Loop::current().now();
    std::erase_if(away_, [now](const auto& each) { return each.second <= now; });
    std::erase_if(questions, [&](const Question& each) { return !each.local.valid() || away_.contains(each.peer); });
    Race race;
    race.type = type;
    race.running = questions.size();
    if (questions.empty()) co_return std::move(race.found);
    reactor::Scope asking("asking peers", stop);
    for (Question& question : questions)
        asking.spawn("ask", ask_one(&race, std::move(question), asking.token()));
    auto over = co_await race.over.wait(stop);
    ignore_result(over, "what there is by then is told");
    asking.request_stop();
    CO_TRY_VOID(co_await asking.join());
    co_return std::move(race.found);
}

Task<void> PeerNames::ask_one(Race* race, Question question, reactor::StopToken stop) {
    const Address peer = question.peer;
    auto answer = co_await ask_peer(std::move(question), race->type, stop);
    if (!answer && answer.error().kind() != ErrorKind::canceled)
        away_[peer] = reactor::Loop::current().now() + away_time;
    if (answer && answer->code == dns::no_error && !race->found) race->found = std::move(answer->addresses);
    if (--race->running == 0 || race->found) race->over.set();
    co_return Result<void>{};
}

Result<std::shared_ptr<void>> PeerNames::serve(const Address& local, Answers answers) {
    const SocketAddress self = socket_address(local, limits::peer_names_port);
    auto session = std::make_shared<Session>();
    session->udp.reset(::socket(self.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!session->udp || ::bind(session->udp.get(), self.get(), self.size) != 0)
        return fail_errno(errno, "binding " + local.text() + " port " + std::to_string(limits::peer_names_port));
    session->answers = std::move(answers);
    session->stop.follow(scope_.token());
    scope_.spawn("names for peers", serve_all(session));
    return std::shared_ptr<void>(session.get(), [session](void*) { session->stop.request_stop(); });
}

Task<void> PeerNames::serve_all(std::shared_ptr<Session> session) {
    while (true) {
        auto events = co_await io::poll(session->udp.get(), POLLIN, session->stop.token());
        if (!events || session->stop.token().stop_requested()) co_return Result<void>{};
        receive_all(*session);
    }
}

void PeerNames::receive_all(Session& session) {
    std::string buffer(dns::edns_bytes, '\0');
    for (int i = 0; i < datagrams_at_once; ++i) {
        SocketAddress peer;
        peer.size = sizeof peer.storage;
        const int fd = session.udp.get();
        const ssize_t got = ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT, peer.get(), &peer.size);
        if (got < 0) return;
        const Address from = peer.address();
        if (!session.answers.is_peer(from)) continue;
        const std::string bytes = buffer.substr(0, static_cast<std::size_t>(got));
        unsigned fault = dns::no_error;
        const auto query = parse_query(bytes, fault);
        if (!query || fault != dns::no_error || query->klass != dns::class_in) continue;
        std::vector<DnsRecord> records;
        const auto found = session.answers.addresses(from, query->name);
        for (const Address& address : found.value_or(std::vector<Address>()))
            if (address.is_v6() == (query->type == dns::type_aaaa)) records.push_back(address_record(address));
        const std::string answer = build_answer(bytes, *query, found ? dns::no_error : dns::name_error, records,
                                                answer_ttl, query->size_max);
        ::sendto(fd, answer.data(), answer.size(), MSG_DONTWAIT, peer.get(), peer.size);
    }
}

Task<void> PeerNames::close() {
    scope_.request_stop();
    auto joined = co_await scope_.join();
    co_return joined;
}

}  // namespace engine::net
