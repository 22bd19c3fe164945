#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "engine/api/server.h"
#include "engine/api/version.h"
#include "engine/engine.h"
#include "engine/net/net_worker.h"
#include "engine/options.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/log_compress.h"
#include "engine/runtime/seccomp_compiler.h"
#include "engine/storage/worker.h"

namespace {

using namespace engine;

LogLevel level_of(const Options& options) {
    if (options.debug || options.log_level == "debug") return LogLevel::debug;
    if (options.log_level == "warn") return LogLevel::warn;
    if (options.log_level == "error") return LogLevel::error;
    return LogLevel::info;
}

Result<void> write_pidfile(const std::string& path) {
    if (path.empty()) return {};
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (!file) return fail_errno(errno, path);
    std::fprintf(file, "%d\n", getpid());
    std::fclose(file);
    return {};
}

constexpr int engine_nice = -10;

// An answer shall not wait behind the containers that the engine has started: it uses little, and is waited for. Its
// children begin at 0 again. Who gave it another value than 0 has reasons; without CAP_SYS_NICE it stays as it is.
void go_before_containers() {
    struct {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
    } attributes{48, SCHED_OTHER, 1, engine_nice, 0, 0, 0, 0};  // sched_setattr(2); 1: SCHED_FLAG_RESET_ON_FORK
    errno = 0;
    if (::getpriority(PRIO_PROCESS, 0) == 0 && errno == 0) ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

Result<void> serve(const Options& options) {
    go_before_containers();
    TRY_VOID(api::keep_passed_sockets());
    TRY(auto loop, reactor::Loop::create({.plain_ring = options.plain_ring, .log_slow_turns = options.debug}));
    TRY(auto engine, Engine::create(options));
    TRY_VOID(write_pidfile(options.pidfile));
    auto served = loop->run(engine->run());
    if (!options.pidfile.empty()) unlink(options.pidfile.c_str());
    return served;
}

}  // namespace

int main(int argc, char** argv) {
    // A worker's memory goes with it: nothing is taken apart (nor looked through by a sanitizer, which is not allowed
    // what it wants behind a worker's own seccomp filter).
    const bool worker = argc > 1 && std::strcmp(argv[1], "worker") == 0;
    if (worker && argc == 4 && std::strcmp(argv[2], "seccomp") == 0) _exit(runtime::seccomp_worker_main(argv[3]));
    if (worker && argc == 3 && std::strcmp(argv[2], "gzip") == 0) _exit(runtime::log_worker_main(true));
    if (worker && argc == 3 && std::strcmp(argv[2], "gunzip") == 0) _exit(runtime::log_worker_main(false));
    if (worker && argc == 3 && std::strcmp(argv[2], "net") == 0) _exit(net::net_worker_main());
    if (worker) _exit(storage::worker_main(argc - 2, argv + 2));
    auto options = parse_options(argc, argv);
    if (!options) {
        std::fprintf(stderr, "dockercd: %s\n", options.error().message().c_str());
        return 125;
    }
    if (options->help) return std::fputs(options_help().c_str(), stdout) < 0;
    if (options->version) return std::printf("dockercd version %s\n", ENGINE_VERSION) < 0;
    log_level_set(level_of(*options));
    auto served = serve(*options);
    if (served) return 0;
    log_error(served.error().message());
    return 1;
}
