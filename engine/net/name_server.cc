#include "engine/net/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "engine/net/dns_message.h"
#include "engine/net/dns_exchange.h"
#include "engine/net/limits.h"
#include "engine/reactor/io.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::net {
namespace {

constexpr std::uint32_t own_ttl = 600;                    // seconds; as Docker's
constexpr std::uint32_t elsewhere_ttl = 5;                // what another host says changes without us
constexpr Nanoseconds ask_patience = 1500 * millisecond;  // then the query is sent once more
constexpr int ask_attempts = 3;
constexpr Nanoseconds forward_patience = 5 * second;
constexpr Nanoseconds connection_patience = 10 * second;
constexpr std::uint32_t cache_seconds_max = 60;
constexpr std::size_t cache_entries_max = 1024;
constexpr std::size_t cached_bytes_max = 4096;
constexpr unsigned forwards_max = 64;     // of one container at a time; more are dropped, as a busy server does
constexpr unsigned connections_max = 32;  // of one container
constexpr int datagrams_at_once = 32;     // then others have their turn

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};
std::optional<SocketAddress> upstream_address(const std::string& text) {
    const auto address = Address::parse(text.substr(0, text.find('%')));
    if (!address) return std::nullopt;
    SocketAddress out;
    if (address->is_v6()) {
        auto& in6 = reinterpret_cast<sockaddr_in6&>(out.storage);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(dns::port);
        std::memcpy(&in6.sin6_addr, address->bytes(), 16);
        out.size = sizeof in6;
    } else {
        auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
        in.sin_family = AF_INET;
        in.sin_port = htons(dns::port);
        std::memcpy(&in.sin_addr, address->bytes(), 4);
        out.size = sizeof in;
    }
    return out;
}

// The id and case of the name aside, equal questions have equal answers from the same servers.
std::string cache_key(const std::vector<std::string>& upstreams, const DnsQuery& query, const std::string& bytes,
                      bool tcp) {
    std::string out = query.name + "/" + std::to_string(query.type) + "/" + std::to_string(query.klass);
    // Flags (recursion, checking) and everything behind the question: EDNS with its options.
    out += (tcp ? "/t" : "/u") + bytes.substr(2, 2) + bytes.substr(query.question_end);
    for (const std::string& upstream : upstreams) out += "/" + upstream;
    return out;
}

// Whole or not at all, within the patience of `stop`.
Task<void> read_exactly(int fd, std::span<std::byte> buffer, reactor::StopToken stop) {
    while (!buffer.empty()) {
        CO_TRY(const auto got, co_await io::recv(fd, buffer, stop));
        if (got == 0) co_return fail(ErrorKind::canceled, "the connection was closed");
        buffer = buffer.subspan(got);
    }
    co_return Result<void>{};
}

Task<std::string> read_framed(int fd, reactor::StopToken stop) {
    std::byte length[2];
    const std::span<std::byte> head(length);
    CO_TRY_VOID(co_await read_exactly(fd, head, stop));
    std::string out(static_cast<std::size_t>(length[0]) << 8 | static_cast<std::size_t>(length[1]), '\0');
    const auto body = std::as_writable_bytes(std::span(out));
    CO_TRY_VOID(co_await read_exactly(fd, body, stop));
    co_return out;
}

std::string framed(const std::string& message) {
    std::string out;
    out += static_cast<char>(message.size() >> 8);
    out += static_cast<char>(message.size());
    return out + message;
}

}  // namespace

struct NameServer::Session {
    Sockets sockets;
    std::vector<std::string> upstreams;
    Names names;
    reactor::StopSource stop;
    unsigned forwards = 0;
    unsigned connections = 0;
};

// Several upstream servers are asked the same; the first that knows decides.
struct NameServer::Race {
    std::string query;
    bool tcp = false;
    std::string good, bad;  // an answer; a refusal or failure, told when there is nothing better
    unsigned running = 0;
    reactor::Event over;
};

NameServer::NameServer() = default;
NameServer::~NameServer() = default;

Task<void> NameServer::close() {
    scope_.request_stop();
    auto joined = co_await scope_.join();
    co_return joined;
}

std::shared_ptr<void> NameServer::serve(Sockets sockets, std::vector<std::string> upstreams, Names names) {
    auto session = std::make_shared<Session>();
    session->sockets = std::move(sockets);
    session->upstreams = std::move(upstreams);
    if (session->upstreams.size() > limits::dns_upstreams_max) session->upstreams.resize(limits::dns_upstreams_max);
    session->names = std::move(names);
    session->stop.follow(scope_.token());
    scope_.spawn("names over udp", serve_udp(session));
    scope_.spawn("names over tcp", serve_tcp(session));
    return std::shared_ptr<void>(session.get(), [session](void*) { session->stop.request_stop(); });
}

namespace {

bool asked_elsewhere(const NameServer::Names& names, const DnsQuery& query) {
    const bool address = query.type == dns::type_a || query.type == dns::type_aaaa;
    return address && query.klass == dns::class_in && names.others && names.others();
}

}  // namespace

std::optional<std::string> NameServer::answer_now(Session& session, const std::string& bytes, bool tcp) {
    unsigned fault = dns::no_error;
    const auto query = parse_query(bytes, fault);
    if (!query) return std::string();  // nothing to answer
    if (fault != dns::no_error) return build_failure(bytes, fault);
    const std::size_t size_max = tcp ? dns::message_bytes_max : query->size_max;
    const auto answer = [&](unsigned code, const std::vector<DnsRecord>& records) {
        return build_answer(bytes, *query, code, records, own_ttl, size_max);
    };
    if (query->klass == dns::class_in && (query->type == dns::type_a || query->type == dns::type_aaaa)) {
        if (auto addresses = session.names.addresses(query->name)) {
            std::vector<DnsRecord> records;
            for (const Address& address : *addresses)
                if (address.is_v6() == (query->type == dns::type_aaaa)) records.push_back(address_record(address));
            if (records.size() > 1)
                std::rotate(records.begin(), records.begin() + static_cast<long>(turn_++ % records.size()),
                            records.end());
            return answer(dns::no_error, records);
        }
    } else if (query->klass == dns::class_in && query->type == dns::type_ptr) {
        const auto address = reverse_address(query->name);
        const auto name = address ? session.names.name(*address) : std::nullopt;
        if (name) return answer(dns::no_error, {name_record(*name)});
    } else if (query->klass == dns::class_in && session.names.addresses(query->name)) {
        return answer(dns::no_error, {});  // a name of ours has addresses and nothing else
    }
    if (asked_elsewhere(session.names, *query)) return std::nullopt;
    if (session.upstreams.empty()) return answer(dns::server_failure, {});
    return from_cache(cache_key(session.upstreams, *query, bytes, tcp), query->id);
}

std::optional<std::string> NameServer::from_cache(const std::string& key, std::uint16_t id) {
    const auto found = cache_.find(key);
    const Nanoseconds now = reactor::Loop::current().now();
    if (found == cache_.end() || found->second.expires_at <= now) return std::nullopt;
    std::string out = found->second.bytes;
    set_id(out, id);
    age(out, found->second.facts, static_cast<std::uint32_t>((now - found->second.stored_at) / second));
    return out;
}

void NameServer::remember(const std::string& key, const std::string& response) {
    auto facts = parse_response(response);
    const bool worth = facts && !facts->truncated && response.size() <= cached_bytes_max && facts->ttl_min > 0 &&
                       (facts->code == dns::no_error || facts->code == dns::name_error);
    if (!worth) return;
    while (cache_order_.size() >= cache_entries_max) {
        cache_.erase(cache_order_.front());
        cache_order_.pop_front();
    }
    const Nanoseconds now = reactor::Loop::current().now();
    Cached entry;
    entry.bytes = response;
    entry.stored_at = now;
    entry.expires_at = now + std::min(facts->ttl_min, cache_seconds_max) * second;
    entry.facts = std::move(*facts);
    if (cache_.insert_or_assign(key, std::move(entry)).second) cache_order_.push_back(key);
}

void NameServer::receive_all(const SessionPointer& session) {
    std::string buffer(dns::edns_bytes * 4, '\0');
    for (int i = 0; i < datagrams_at_once; ++i) {
        SocketAddress peer;
        peer.size = sizeof peer.storage;
        const int fd = session->sockets.udp.get();
        const ssize_t got = ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr*>(&peer.storage), &peer.size);
        if (got < 0) return;
        std::string query = buffer.substr(0, static_cast<std::size_t>(got));
        if (const auto answer = answer_now(*session, query, false)) {
            if (!answer->empty())
                ::sendto(fd, answer->data(), answer->size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&peer.storage),
                         peer.size);
            continue;
        }
        if (session->forwards >= forwards_max) continue;
        std::string peer_bytes(reinterpret_cast<const char*>(&peer.storage), peer.size);
        scope_.spawn("forward", forward_udp(session, std::move(query), std::move(peer_bytes)));
    }
}

Task<void> NameServer::serve_udp(SessionPointer session) {
    while (true) {
        auto events = co_await io::poll(session->sockets.udp.get(), POLLIN, session->stop.token());
        if (!events || scope_.token().stop_requested()) co_return Result<void>{};
        receive_all(session);
    }
}

Task<void> NameServer::forward_udp(SessionPointer session, std::string query, std::string peer) {
    ++session->forwards;
    auto answer = co_await forward(session, query, false);
    --session->forwards;
    if (!answer) co_return Result<void>{};
    ::sendto(session->sockets.udp.get(), answer->data(), answer->size(), MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(peer.data()), static_cast<socklen_t>(peer.size()));
    co_return Result<void>{};
}

// The answer when somebody else knows the name, or when it is known that the upstream servers would be asked for
// nothing new; "": they are to be asked.
Task<std::string> NameServer::ask_elsewhere(SessionPointer session, std::string bytes, bool tcp) {
    unsigned fault = dns::no_error;
    const auto query = parse_query(bytes, fault);
    const std::size_t size_max = tcp ? dns::message_bytes_max : query->size_max;
    std::string name = query->name;
    auto told = co_await session->names.elsewhere(std::move(name), query->type);
    if (session->stop.token().stop_requested()) co_return fail(ErrorKind::canceled, "the container has gone");
    if (told && *told) {
        std::vector<DnsRecord> records;
        for (const Address& address : **told) records.push_back(address_record(address));
        co_return build_answer(bytes, *query, dns::no_error, records, elsewhere_ttl, size_max);
    }
    if (session->upstreams.empty()) co_return build_answer(bytes, *query, dns::server_failure, {}, 0, size_max);
    co_return from_cache(cache_key(session->upstreams, *query, bytes, tcp), query->id).value_or(std::string());
}

Task<std::string> NameServer::forward(SessionPointer session, std::string bytes, bool tcp) {
    unsigned fault = dns::no_error;
    const auto query = parse_query(bytes, fault);
    CHECK(query && fault == dns::no_error);
    if (asked_elsewhere(session->names, *query)) {
        std::string asked = bytes;
        CO_TRY(auto known, co_await ask_elsewhere(session, std::move(asked), tcp));
        if (!known.empty()) co_return std::move(known);
    }
    Race race;
    race.query = bytes;
    race.tcp = tcp;
    race.running = static_cast<unsigned>(session->upstreams.size());
    reactor::Deadline deadline(forward_patience, session->stop.token());
    reactor::Scope asking("upstreams", deadline.token());
    for (const std::string& upstream : session->upstreams) asking.spawn("ask", ask(&race, upstream, asking.token()));
    auto over = co_await race.over.wait(deadline.token());
    ignore_result(over, "what there is by then is told");
    asking.request_stop();
    CO_TRY_VOID(co_await asking.join());
    if (session->stop.token().stop_requested()) co_return fail(ErrorKind::canceled, "the container has gone");
    std::string answer = race.good.empty() ? race.bad : race.good;
    if (answer.empty()) {
        const std::size_t size_max = tcp ? dns::message_bytes_max : query->size_max;
        co_return build_answer(bytes, *query, dns::server_failure, {}, 0, size_max);
    }
    if (!race.good.empty()) remember(cache_key(session->upstreams, *query, bytes, tcp), answer);
    set_id(answer, query->id);
    co_return answer;
}

namespace {

// What came back for our question, or "" for what is none of ours.
std::string accept_response(const std::string& bytes, std::uint16_t id, const std::string& query_bytes) {
    unsigned fault = dns::no_error;
    const auto query = parse_query(query_bytes, fault);
    const auto facts = parse_response(bytes);
    const bool ours = facts && facts->id == id && facts->name == query->name && facts->type == query->type;
    return ours ? bytes : std::string();
}

Task<std::string> ask_udp(std::string query, SocketAddress upstream, reactor::StopToken stop) {
    const UniqueFd fd(::socket(upstream.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&upstream.storage), upstream.size) != 0)
        co_return fail_errno(errno, "asking a name server");
    const std::uint16_t id = random_number();
    set_id(query, id);
    Exchange question;
    question.fd = fd.get();
    question.query = query;
    question.ours = [id, &query](std::string_view bytes) {
        return !accept_response(std::string(bytes), id, query).empty();
    };
    question.whom = "a name server";
    question.attempts = ask_attempts;
    question.patience = ask_patience;
    auto answer = co_await exchange(std::move(question), stop);
    co_return answer;
}

Task<std::string> ask_tcp(std::string query, SocketAddress upstream, reactor::StopToken stop) {
    const UniqueFd fd(::socket(upstream.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) co_return fail_errno(errno, "asking a name server");
    const auto* address = reinterpret_cast<const sockaddr*>(&upstream.storage);
    CO_TRY_VOID(co_await io::connect(fd.get(), address, upstream.size, stop));
    const std::uint16_t id = random_number();
    set_id(query, id);
    const std::string message = framed(query);
    const auto bytes = io::bytes_of(message);
    CO_TRY_VOID(co_await io::send_all(fd.get(), bytes, stop));
    CO_TRY(const auto response, co_await read_framed(fd.get(), stop));
    std::string answer = accept_response(response, id, query);
    if (answer.empty()) co_return fail(ErrorKind::invalid, "a name server answers another question");
    co_return answer;
}

}  // namespace

Task<void> NameServer::ask(Race* race, std::string upstream, reactor::StopToken stop) {
    const auto address = upstream_address(upstream);
    if (address) {
        const SocketAddress to = *address;
        std::string query = race->query;
        Task<std::string> asking =
            race->tcp ? ask_tcp(std::move(query), to, stop) : ask_udp(std::move(query), to, stop);
        auto told = co_await std::move(asking);
        if (told) {
            const auto facts = parse_response(*told);
            const bool failed = facts->code == dns::server_failure || facts->code == dns::refused ||
                                facts->code == dns::not_implemented;
            std::string& place = failed ? race->bad : race->good;
            if (place.empty()) place = std::move(*told);
        }
    }
    if (--race->running == 0 || !race->good.empty()) race->over.set();
    co_return Result<void>{};
}

Task<void> NameServer::serve_tcp(SessionPointer session) {
    while (true) {
        auto events = co_await io::poll(session->sockets.tcp.get(), POLLIN, session->stop.token());
        if (!events || scope_.token().stop_requested()) co_return Result<void>{};
        UniqueFd connection(::accept4(session->sockets.tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection || session->connections >= connections_max) continue;
        scope_.spawn("name connection", serve_connection(session, std::move(connection)));
    }
}

Task<void> NameServer::serve_connection(SessionPointer session, UniqueFd connection) {
    ++session->connections;
    while (true) {
        reactor::Deadline patience(connection_patience, session->stop.token());
        auto query = co_await read_framed(connection.get(), patience.token());
        if (!query) break;
        auto now = answer_now(*session, *query, true);
        std::string answer;
        if (now) {
            answer = std::move(*now);
        } else {
            auto told = co_await forward(session, *query, true);
            if (!told) break;
            answer = std::move(*told);
        }
        if (answer.empty()) break;
        const std::string message = framed(answer);
        const auto bytes = io::bytes_of(message);
        auto sent = co_await io::send_all(connection.get(), bytes, patience.token());
        if (!sent) break;
    }
    --session->connections;
    co_return Result<void>{};
}

}  // namespace engine::net
