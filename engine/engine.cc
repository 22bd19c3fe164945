#include "engine/engine.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <csignal>
#include <filesystem>

#include "engine/api/routes.h"
#include "engine/api/server.h"
#include "engine/api/version.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/image_config.h"
#include "engine/runtime/keeper_client.h"
#include "engine/runtime/log_options.h"
#include "engine/storage/image_store.h"
#include "engine/storage/registry_service.h"

namespace engine {
namespace {

Result<void> make_directory(const std::string& path, unsigned mode) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return fail_errno(error.value(), "making " + path);
    if (chmod(path.c_str(), mode) != 0) return fail_errno(errno, "chmod " + path);
    return {};
}

// Each container takes a few; a service manager's soft limit is 1024 for the sake of select(2), which nobody uses here.
void raise_descriptor_limit() {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

// One engine for each root: two would overwrite each other's rows, or take each other's keeper away.
Result<UniqueFd> lock_root(const std::string& root, const std::string& what, const std::string& option) {
    const std::string path = root + "/engine.lock";
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail_errno(errno, path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        char pid[32] = {};
        [[maybe_unused]] const ssize_t got = pread(fd.get(), pid, sizeof pid - 1, 0);
        return fail(ErrorKind::conflict, "another engine (pid " + std::string(pid) + ") uses the " + what + " " + root +
                                             ": stop it, or give this engine another " + option);
    }
    const std::string pid = std::to_string(getpid());
    // The pid is for the sentence above only: a full disk does not keep an engine from its containers.
    if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), pid.data(), pid.size(), 0) < 0)
        log_warn(errno_error(errno, "writing " + path).message());
    return fd;
}

// An identifier of the data root that stays: made once, kept beside the state.
Result<std::string> engine_id(const std::string& data_root) {
    const std::string path = data_root + "/engine-id";
    char text[64] = {};
    if (UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC)); fd) {
        const ssize_t got = read(fd.get(), text, 36);
        if (got == 36) return std::string(text, 36);
    }
    UniqueFd random(open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC));
    if (!random || read(random.get(), text, 36) != 36) return fail_errno(errno, "making an engine id");
    UniqueFd fd(open((path + ".new").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd || write(fd.get(), text, 36) != 36 || rename((path + ".new").c_str(), path.c_str()) != 0)
        return fail_errno(errno, path);
    return std::string(text, 36);
}

std::string filesystem_name(const std::string& path) {
    struct statfs info {};
    if (statfs(path.c_str(), &info) != 0) return "unknown";
    switch (static_cast<unsigned long>(info.f_type)) {
        case EXT4_SUPER_MAGIC: return "extfs";
        case 0x58465342UL: return "xfs";
        case 0x9123683EUL: return "btrfs";
        case TMPFS_MAGIC: return "tmpfs";
        case OVERLAYFS_SUPER_MAGIC: return "overlayfs";
        default: return "unknown";
    }
}

// What containers get that name no log driver: refused at start rather than at each create.
Result<runtime::LogConfig> default_log(const Options& options) {
    runtime::LogConfig log;
    log.type = options.log_driver;
    for (const std::string& option : options.log_opts) {
        const std::size_t equals = option.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(ErrorKind::invalid, "--log-opt '" + option + "': give it as KEY=VALUE");
        log.options[option.substr(0, equals)] = option.substr(equals + 1);
    }
    auto settings = runtime::log_settings(log);
    if (!settings) return fail(std::move(settings.error()).with_context("failed to set log opts"));
    return log;
}

// The driver asked for, the one this data root has been used with (a full disk must not change it), or what the file
// system can do.
Result<bool> choose_overlay(const Options& options, storage::Database& db) {
    if (options.storage_driver == "vfs") return false;
    TRY(const auto known, db.meta("storage_driver"));
    if (options.storage_driver.empty() && known) return *known == "overlay2";
    auto works = storage::check_overlay(options.data_root);
    if (works) return true;
    if (!options.storage_driver.empty())
        return fail(
            std::move(works).error().with_context("error initializing graphdriver: driver not supported: overlay2"));
    log_warn(options.data_root + " cannot hold overlays (" + works.error().message() + "): layers are copied");
    return false;
}

// SIGUSR1: what the engine is doing, and how its loop has fared.
void print_tasks() {
    const reactor::LoopCounters& loop = reactor::Loop::current().counters();
    log_info("loop: " + std::to_string(loop.turns) + " turns, " + std::to_string(loop.turns_slow) +
             " of them over 5 ms, the longest " + std::to_string(loop.turn_longest / microsecond) + " us; " +
             std::to_string(loop.completions) + " completions; tasks:");
    const std::string tree = reactor::task_tree();
    // A full or closed stderr must not stop the engine.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, tree.data(), tree.size());
}

}  // namespace

Engine::Engine(Options options) : options_(std::move(options)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(Options options) {
    if (geteuid() != 0) return fail(ErrorKind::forbidden, "dockercd must run as root");
    std::unique_ptr<Engine> engine(new Engine(std::move(options)));
    TRY_VOID(engine->prepare_directories());
    TRY(engine->data_lock_, lock_root(engine->options_.data_root, "data root", "--data-root"));
    if (engine->options_.exec_root != engine->options_.data_root) {
        TRY(engine->exec_lock_, lock_root(engine->options_.exec_root, "exec root", "--exec-root"));
    }
    TRY_VOID(engine->gather_facts());
    raise_descriptor_limit();
    sigset_t taken;
    sigemptyset(&taken);
    for (int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&taken, signal);
    sigprocmask(SIG_BLOCK, &taken, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    engine->signals_.reset(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!engine->signals_) return fail_errno(errno, "signalfd");
    return engine;
}

Result<void> Engine::prepare_directories() {
    TRY_VOID(make_directory(options_.data_root, 0710));
    TRY_VOID(make_directory(options_.exec_root, 0700));
    return {};
}

Result<void> Engine::gather_facts() {
    api::SystemFacts& facts = services_.facts;
    TRY(facts.id, engine_id(options_.data_root));
    char host_name[256] = {};
    gethostname(host_name, sizeof host_name - 1);
    facts.name = host_name;
    facts.data_root = options_.data_root;
    facts.storage_driver = options_.storage_driver.empty() ? "overlay2" : options_.storage_driver;
    facts.backing_filesystem = filesystem_name(options_.data_root);
    struct statfs cgroups {};
    facts.cgroup_version = statfs("/sys/fs/cgroup", &cgroups) == 0 && cgroups.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
    facts.log_driver = options_.log_driver;
    facts.labels = options_.labels;
    facts.debug = options_.debug;
    services_.count = [](void* context) { return static_cast<Engine*>(context)->count(); };
    services_.count_context = this;
    return {};
}

api::ObjectCounts Engine::count() const {
    api::ObjectCounts counts;
    counts.images = static_cast<std::int64_t>(images_->count());
    for (const auto& [id, container] : containers_->all()) {
        ++counts.containers;
        counts.running += container->state.status == runtime::ContainerStatus::running;
        counts.paused += container->state.status == runtime::ContainerStatus::paused;
    }
    counts.stopped = counts.containers - counts.running - counts.paused;
    return counts;
}

namespace {

// As every other client of the web on this host is told.
std::string proxy_variable(const char* upper, const char* lower) {
    const char* value = std::getenv(upper);
    if (value == nullptr || *value == '\0') value = std::getenv(lower);
    return value == nullptr ? "" : value;
}

storage::RegistryService::Options registry_options(const Options& options, const std::string& helper) {
    storage::RegistryService::Options out;
    out.helper_path = helper;
    out.downloads_max = options.downloads_max;
    out.uploads_max = options.uploads_max;
    out.settings.insecure = options.insecure_registries;
    out.settings.mirrors = options.registry_mirrors;
    out.settings.http_proxy = proxy_variable("HTTP_PROXY", "http_proxy");
    out.settings.https_proxy = proxy_variable("HTTPS_PROXY", "https_proxy");
    out.settings.no_proxy = proxy_variable("NO_PROXY", "no_proxy");
    out.settings.user_agent = "dockercd/" ENGINE_VERSION;
    return out;
}

}  // namespace

Task<void> Engine::open_services() {
    const std::string& data = options_.data_root;
    CO_TRY(db_, storage::Database::open(data + "/state.db"));
    CO_TRY(const bool overlay, choose_overlay(options_, *db_));
    backend_ = overlay ? storage::make_overlay_backend(data) : storage::make_copy_backend(data);
    services_.facts.storage_driver = backend_->name();
    CO_TRY(const auto known_driver, db_->meta("storage_driver"));
    if (known_driver != services_.facts.storage_driver) {
        CO_TRY_VOID(db_->set_meta("storage_driver", services_.facts.storage_driver));
    }
    event_journal_ = std::make_unique<runtime::EventJournal>(data + "/events.log");
    events_.keep_in(event_journal_.get());
    std::error_code error;
    const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
    if (error) co_return fail_errno(error.value(), "/proc/self/exe");
    storage::ImageStore::Options image_options;
    image_options.data_root = data;
    image_options.worker_path = self;
    CO_TRY(images_, storage::ImageStore::open(image_options, *db_, *backend_));
    const std::string helper = std::filesystem::path(self).parent_path() / "dockercd-registry";
    registry_ = std::make_unique<storage::RegistryService>(registry_options(options_, helper), *images_);
    services_.registry = registry_.get();
    net::Options network_options = options_.network;
    network_options.worker_path = self;
    // Engines beside each other on one host have a table each.
    if (options_.exec_root != Options{}.exec_root) network_options.table += "-" + services_.facts.id.substr(0, 8);
    network_rows_ = std::make_unique<NetworkRows>(*db_);
    CO_TRY(networks_, net::Networks::open(std::move(network_options), *network_rows_));
    const std::string keeper = std::filesystem::path(self).parent_path() / "dockercd-keeper";
    CO_TRY(keeper_, co_await runtime::KeeperClient::open(keeper, options_.exec_root));
    runtime::ContainerService::Options container_options;
    container_options.data_root = data;
    container_options.exec_root = options_.exec_root;
    container_options.worker_path = self;
    container_options.init_path = std::filesystem::path(self).parent_path() / "dockercd-init";
    container_options.cgroup_parent = options_.cgroup_parent;
    CO_TRY(container_options.log_defaults, default_log(options_));
    CO_TRY(containers_, runtime::ContainerService::open(container_options, *db_, *images_, *keeper_, *networks_,
                                                         events_));
    execs_ = std::make_unique<runtime::ExecService>(*containers_, *keeper_);
    auto in_use = containers_->sandboxes();
    CO_TRY_VOID(co_await networks_->start(std::move(in_use)));
    images_->on_event([this](std::string_view action, const storage::ImageEvent& event) {
        runtime::EventAttributes attributes = runtime::image_labels_of(event.config);
        attributes["name"] = event.name;
        events_.publish("image", action, event.id, std::move(attributes));
    });
    services_.images = images_.get();
    services_.events = &events_;
    services_.containers = containers_.get();
    services_.execs = execs_.get();
    stats_ = std::make_unique<runtime::StatsService>(*containers_);
    services_.stats = stats_.get();
    services_.facts.device_rules = containers_->device_rules();
    services_.networks = networks_.get();
    runtime::ContainerFiles::Options file_options;
    file_options.data_root = data;
    file_options.worker_path = self;
    files_ = std::make_unique<runtime::ContainerFiles>(file_options, *containers_, *images_);
    services_.files = files_.get();
    co_return Result<void>{};
}

// In reverse; each may not have been reached.
Task<void> Engine::close_services() {
    if (stats_) {
        CO_TRY_VOID(co_await stats_->close());
    }
    if (execs_) {
        CO_TRY_VOID(co_await execs_->close());
    }
    if (containers_) {
        CO_TRY_VOID(co_await containers_->close());
    }
    const bool idle = !containers_ || containers_->all().empty();
    if (keeper_ && idle) keeper_->goodbye();
    if (keeper_) {
        CO_TRY_VOID(co_await keeper_->close());
    }
    if (registry_) {
        registry_->scope().request_stop();
        CO_TRY_VOID(co_await registry_->scope().join());
    }
    if (networks_) {
        const bool nothing_runs = !containers_ || count().running == 0;
        CO_TRY_VOID(co_await networks_->close(nothing_runs));
    }
    if (images_) {
        images_->scope().request_stop();
        CO_TRY_VOID(co_await images_->scope().join());
    }
    stats_.reset();
    execs_.reset();
    if (event_journal_) {
        CO_TRY_VOID(co_await event_journal_->close());
    }
    files_.reset();
    containers_.reset();
    keeper_.reset();
    registry_.reset();
    networks_.reset();
    images_.reset();
    co_return Result<void>{};
}

Task<void> Engine::run() {
    auto opened = co_await open_services();
    Result<void> served;
    if (opened) served = co_await serve();
    CO_TRY_VOID(co_await close_services());
    CO_TRY_VOID(std::move(opened));
    co_return served;
}

Task<void> Engine::serve() {
    reactor::StopSource stop;
    reactor::Scope scope("engine");
    scope.spawn("signals", handle_signals(&stop));
    Result<void> taken_over;
    scope.spawn("take over", take_over(&stop, &taken_over));
    const api::Router router(api::routes(), &services_, &taken_over_);
    api::Server server(router, {});
    Result<void> listening;
    for (const std::string& host : options_.hosts) {
        auto sockets = api::listen_on(host, options_.group);
        if (!sockets) {
            listening = fail(std::move(sockets.error()));
            break;
        }
        for (api::Listening& socket : *sockets) {
            log_info("API listen on " + socket.address);
            if (socket.address.starts_with("tcp://"))
                services_.facts.open_addresses.push_back(socket.address.substr(6));
            server.serve(std::move(socket));
        }
    }
    if (listening) {
        auto stopped = co_await reactor::sleep_until(INT64_MAX, stop.token());
        ignore_result(stopped, "it ends only by a signal");
    }
    stop.request_stop();
    containers_->stop_waiting();
    CO_TRY_VOID(co_await server.close());
    CO_TRY_VOID(co_await scope.join());
    CO_TRY_VOID(std::move(taken_over));
    co_return listening;
}

// Beside the first answers: what the containers are is known by then, and whoever asks more of them waits for this.
Task<void> Engine::take_over(reactor::StopSource* stop, Result<void>* outcome) {
    auto taken = co_await containers_->take_over(stop->token());
    if (taken) taken = co_await containers_->restore_networks();
    if (stop->stop_requested()) co_return Result<void>{};
    if (!taken) {
        *outcome = std::move(taken);
        stop->request_stop();
        co_return Result<void>{};
    }
    containers_->begin();
    taken_over_.set();
    co_return Result<void>{};
}

Task<void> Engine::handle_signals(reactor::StopSource* stop) {
    signalfd_siginfo info{};
    const auto buffer = std::as_writable_bytes(std::span(&info, 1));
    while (true) {
        CO_TRY(auto events, co_await io::poll(signals_.get(), POLLIN, stop->token()));
        ignore_result(events, "readable is all it can be");
        CO_TRY(auto got, co_await io::read(signals_.get(), buffer));
        if (got != sizeof info) continue;
        if (info.ssi_signo == SIGUSR1) {
            print_tasks();
            continue;
        }
        log_info(std::string("stopping on ") + strsignal(static_cast<int>(info.ssi_signo)) + ": containers go on");
        stop->request_stop();
        co_return Result<void>{};
    }
}

}  // namespace engine
