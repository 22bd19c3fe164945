#include "tools/dockerc/registry/serve.h"

#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>

#include "engine/api/server.h"
#include "engine/api/services.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/registry/content_store.h"
#include "tools/dockerc/registry/distribution_server.h"
#include "tools/dockerc/registry/tls_front.h"

namespace engine::registry {
namespace {

Task<void> answer(api::Services& services, api::Request& request, api::Response& response) {
    auto done = co_await services.distribution->answer(request, response);
    co_return done;
}

constexpr api::Route routes[] = {
    {"GET", "/v2", answer},     {"GET", "/v2/", answer},      {"HEAD", "/v2/", answer},
    {"GET", "/v2/{*}", answer}, {"HEAD", "/v2/{*}", answer},  {"POST", "/v2/{*}", answer},
    {"PUT", "/v2/{*}", answer}, {"PATCH", "/v2/{*}", answer}, {"DELETE", "/v2/{*}", answer},
};

Task<void> run(api::Server* server, TlsFront* tls, api::Listening listening, int signals) {
    if (tls == nullptr) {
        server->serve(std::move(listening));
    } else {
        tls->serve(std::move(listening), server);
    }
    auto asked = co_await io::poll(signals, POLLIN);
    ignore_result(asked, "a signal or a loop that ends: we end");
    if (tls != nullptr) {
        CO_TRY_VOID(co_await tls->close());
    }
    CO_TRY_VOID(co_await server->close());
    co_return Result<void>{};
}

}  // namespace

Result<void> serve(const ServeOptions& options) {
    std::map<std::string, std::string> users;
    if (!options.htpasswd.empty()) {
        TRY(users, read_htpasswd(options.htpasswd));
    }
    std::unique_ptr<TlsFront> tls;
    if (options.certificate.empty() != options.key.empty())
        return fail(ErrorKind::invalid, "--tls-cert and --tls-key belong together");
    TRY(auto store, ContentStore::open(options.root));
    TRY(auto loop, reactor::Loop::create({}));
    if (!options.certificate.empty()) {
        TRY(tls, TlsFront::create(options.certificate, options.key));
    }
    sigset_t taken;
    sigemptyset(&taken);
    for (int signal : {SIGTERM, SIGINT}) sigaddset(&taken, signal);
    sigprocmask(SIG_BLOCK, &taken, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const UniqueFd signals(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return fail_errno(errno, "signalfd");
    std::unique_ptr<EngineMirror> mirror;
    if (!options.engine.empty())
        mirror = std::make_unique<EngineMirror>(options.engine, options.root);
    DistributionServer distribution(std::move(store), std::move(users), std::move(mirror));
    api::Services services;
    services.distribution = &distribution;
    const api::Router router(routes, &services);
    TRY(auto sockets, api::listen_on("tcp://" + options.listen, ""));
    if (sockets.empty()) return fail(ErrorKind::invalid, "nothing to listen on: " + options.listen);
    api::Server server(router, {});
    std::printf("registry of %s listens on %s%s\n", (options.engine.empty() ? options.root : options.engine).c_str(),
                options.listen.c_str(), tls ? " (TLS)" : "");
    std::fflush(stdout);
    return loop->run(run(&server, tls.get(), std::move(sockets[0]), signals.get()));
}

}  // namespace engine::registry
