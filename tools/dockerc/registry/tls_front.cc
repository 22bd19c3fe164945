#include "tools/dockerc/registry/tls_front.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "engine/reactor/accept_stream.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::registry {
namespace {

constexpr std::size_t buffer_bytes = 64 << 10;
constexpr Nanoseconds accept_retry = 50 * millisecond;

std::string why() {
    char text[256] = "unknown";
    if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

}  // namespace

struct TlsFront::Session {
    Session(SSL_CTX* context, UniqueFd client, UniqueFd inside, reactor::StopToken engine)
        : ssl(SSL_new(context)),
          in(BIO_new(BIO_s_mem())),
          out(BIO_new(BIO_s_mem())),
          fd(std::move(client)),
          plain(std::move(inside)),
          stop(engine) {
        CHECK(ssl != nullptr && in != nullptr && out != nullptr);
        SSL_set_bio(ssl, in, out);  // they are the session's from now on
        SSL_set_accept_state(ssl);
    }
    ~Session() { SSL_free(ssl); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Task<void> flush();
    Task<void> inwards();
    Task<void> outwards();

    SSL* ssl;
    BIO* in;
    BIO* out;
    UniqueFd fd;     // the client's
    UniqueFd plain;  // our end of the pair
    reactor::StopSource stop;
    reactor::Lane sending;  // records leave in the order in which they were made
};

// What OpenSSL has for the client.
Task<void> TlsFront::Session::flush() {
    CO_TRY(const auto held, co_await sending.enter(stop.token()));
    std::vector<std::byte> buffer(buffer_bytes);
    while (true) {
        const int got = BIO_read(out, buffer.data(), static_cast<int>(buffer.size()));
        if (got <= 0) co_return Result<void>{};
        const std::span<const std::byte> bytes(buffer.data(), static_cast<std::size_t>(got));
        CO_TRY_VOID(co_await io::send_all(fd.get(), bytes, stop.token()));
    }
}

Task<void> TlsFront::Session::inwards() {
    std::vector<std::byte> buffer(buffer_bytes);
    while (true) {
        const std::span<std::byte> room(buffer);
        CO_TRY(const std::size_t got, co_await io::recv(fd.get(), room, stop.token()));
        if (got == 0) break;
        CHECK(BIO_write(in, buffer.data(), static_cast<int>(got)) == static_cast<int>(got));
        while (true) {
            const int read = SSL_read(ssl, buffer.data(), static_cast<int>(buffer.size()));
            const int state = read > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, read);
            CO_TRY_VOID(co_await flush());
            if (state == SSL_ERROR_WANT_READ) break;
            if (state == SSL_ERROR_ZERO_RETURN) {
                ::shutdown(plain.get(), SHUT_WR);
                co_return Result<void>{};
            }
            if (state != SSL_ERROR_NONE) {
                stop.request_stop();  // a client that does not trust us, or does not speak TLS
                co_return fail(ErrorKind::invalid, "tls: " + why());
            }
            const std::span<const std::byte> bytes(buffer.data(), static_cast<std::size_t>(read));
            CO_TRY_VOID(co_await io::send_all(plain.get(), bytes, stop.token()));
        }
    }
    ::shutdown(plain.get(), SHUT_WR);
    co_return Result<void>{};
}

Task<void> TlsFront::Session::outwards() {
    std::vector<std::byte> buffer(buffer_bytes);
    while (true) {
        const std::span<std::byte> room(buffer);
        CO_TRY(const std::size_t got, co_await io::recv(plain.get(), room, stop.token()));
        if (got == 0) break;
        if (SSL_write(ssl, buffer.data(), static_cast<int>(got)) != static_cast<int>(got))
            co_return fail(ErrorKind::internal, "tls: " + why());
        CO_TRY_VOID(co_await flush());
    }
    SSL_shutdown(ssl);
    auto flushed = co_await flush();
    ignore_result(flushed, "a client that left before the farewell misses nothing");
    ::shutdown(fd.get(), SHUT_WR);
    co_return Result<void>{};
}

Result<std::unique_ptr<TlsFront>> TlsFront::create(const std::string& certificate, const std::string& key) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    CHECK(context != nullptr);
    std::unique_ptr<TlsFront> front(new TlsFront(context));
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return fail(ErrorKind::invalid, "certificate " + certificate + ": " + why());
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
        return fail(ErrorKind::invalid, "key " + key + ": " + why());
    if (SSL_CTX_check_private_key(context) != 1)
        return fail(ErrorKind::invalid, "key " + key + " is not that of certificate " + certificate);
    return front;
}

TlsFront::~TlsFront() {
    SSL_CTX_free(context_);
}

void TlsFront::serve(api::Listening listening, api::Server* server) {
    scope_.spawn("accept", accept_loop(std::move(listening), server));
}

Task<void> TlsFront::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

Task<void> TlsFront::accept_loop(api::Listening listening, api::Server* server) {
    reactor::AcceptStream connections(listening.fd.get());
    while (true) {
        auto accepted = co_await connections.next(scope_.token());
        if (accepted) {
            scope_.spawn("client", client(std::move(*accepted), server));
        } else if (scope_.token().stop_requested()) {
            break;
        } else {
            log_warn(listening.address + ": " + accepted.error().message() + ", trying again");
            auto slept = co_await reactor::sleep_for(accept_retry, scope_.token());
            ignore_result(slept, "the loop's condition sees a stop");
        }
    }
    CO_TRY_VOID(co_await connections.close());
    co_return Result<void>{};
}

Task<void> TlsFront::client(UniqueFd fd, api::Server* server) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) co_return fail_errno(errno, "socketpair");
    server->adopt(UniqueFd(ends[0]));
    Session session(context_, std::move(fd), UniqueFd(ends[1]), scope_.token());
    reactor::Scope reading("tls client");
    reading.spawn("inwards", session.inwards());
    auto done = co_await session.outwards();
    session.stop.request_stop();
    CO_TRY_VOID(co_await reading.join());
    co_return done;
}

}  // namespace engine::registry
