// TLS in front of a server that speaks plain HTTP: each connection is a socket pair, whose one end the server serves
// and whose other end is pumped through OpenSSL on the same ring. Nothing blocks but the arithmetic of a handshake.
#pragma once

#include <memory>
#include <string>

#include "engine/api/server.h"
#include "engine/reactor/scope.h"

struct ssl_ctx_st;
struct ssl_st;

namespace engine::registry {

class TlsFront {
public:
    // PEM files. Errors name the file.
    static Result<std::unique_ptr<TlsFront>> create(const std::string& certificate, const std::string& key);
    ~TlsFront();
    // Accepts until it is closed; server outlives it.
    void serve(api::Listening listening, api::Server* server);
    Task<void> close();

private:
    struct Session;
    explicit TlsFront(ssl_ctx_st* context) : context_(context) {}
    Task<void> accept_loop(api::Listening listening, api::Server* server);
    Task<void> client(UniqueFd fd, api::Server* server);

    ssl_ctx_st* context_;
    reactor::Scope scope_{"tls"};
};

}  // namespace engine::registry
