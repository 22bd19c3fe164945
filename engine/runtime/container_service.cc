#include "engine/runtime/container_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <charconv>
#include <csignal>
#include <cstring>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_name.h"
#include "engine/runtime/freezer.h"
#include "engine/runtime/image_config.h"
#include "engine/runtime/launch_input.h"
#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/names_generator.h"
#include "engine/runtime/restart_policy.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

constexpr int cgroup_removal_attempts = 200;
constexpr int cgroup_quick_attempts = 40;
constexpr int cgroup_kill_attempt = 10;
constexpr Nanoseconds cgroup_removal_pause = 5 * millisecond;

int exit_code_of(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

ContainerService::ContainerService(Options options, storage::Database& db, storage::ImageStore& images,
                                   KeeperClient& keeper, net::Networks& networks, Events& events)
    : options_(std::move(options)),
      db_(db),
      images_(images),
      keeper_(keeper),
      networks_(networks),
      events_(events),
      seccomp_(options_.worker_path) {}

Result<std::unique_ptr<ContainerService>> ContainerService::open(Options options, storage::Database& db,
                                                                 storage::ImageStore& images, KeeperClient& keeper,
                                                                 net::Networks& networks, Events& events) {
    std::unique_ptr<ContainerService> service(
        new ContainerService(std::move(options), db, images, keeper, networks, events));
    TRY(service->cgroups_, detect_cgroups());
    if (!service->cgroups_.device_rules)
        log_warn("no devices control group here: containers can open the devices of the host that they make nodes of");
    TRY_VOID(prepare_cgroup_parent(service->cgroups_, service->options_.cgroup_parent));
    service->cgroup_support_ = detect_cgroup_support(service->cgroups_, service->options_.cgroup_parent);
    const std::string& data = service->options_.data_root;
    for (const std::string& path : {data + "/containers", data + "/rootfs", service->options_.exec_root + "/output"}) {
        if (mkdir(path.c_str(), 0710) != 0 && errno != EEXIST) return fail_errno(errno, path);
    }
    TRY_VOID(service->recover());
    auto* raw = service.get();
    raw->scope_.spawn("seccomp", raw->compile_default_filter());
    keeper.on_exit([raw](KeeperExit exit) { raw->keeper_exit(exit); });
    keeper.on_lost([raw] { raw->keeper_lost(); });
    return service;
}

// Ahead of the first start, beside the first requests.
Task<void> ContainerService::compile_default_filter() {
    std::string default_profile;
    auto compiled = co_await seccomp_.filter(std::move(default_profile), default_capabilities());
    if (!compiled) log_error("the default seccomp profile: " + compiled.error().message());
    co_return Result<void>{};
}

Task<void> ContainerService::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

Result<std::shared_ptr<Container>> ContainerService::find(std::string_view reference) const {
    if (reference.empty()) return fail(ErrorKind::invalid, "invalid name or ID supplied: \"\"");
    if (const auto exact = containers_.find(reference); exact != containers_.end()) return exact->second;
    std::string_view name = reference;
    if (name.starts_with('/')) name.remove_prefix(1);
    if (const auto by_name = ids_by_name_.find(name); by_name != ids_by_name_.end())
        return containers_.find(by_name->second)->second;
    if (auto linked = find_by_link(name)) return linked;
    return find_by_id(reference);
}

Result<std::shared_ptr<Container>> ContainerService::find_by_id(std::string_view prefix) const {
    const auto at = containers_.lower_bound(prefix);
    if (prefix.empty() || at == containers_.end() || !at->first.starts_with(prefix))
        return fail(ErrorKind::not_found, "No such container: " + std::string(prefix));
    const auto next = std::next(at);
    if (at->first != prefix && next != containers_.end() && next->first.starts_with(prefix))
        return fail(ErrorKind::invalid, "multiple IDs found with provided prefix: " + std::string(prefix));
    return at->second;
}

Result<void> ContainerService::resize(std::string_view reference, unsigned short rows, unsigned short columns) {
    TRY(auto container, find(reference));
    if (!container->running()) return fail(ErrorKind::conflict, "container " + container->id + " is not running");
    // Without a terminal there is nothing to do, and dockerd says yes.
    const winsize size{rows, columns, 0, 0};
    if (container->spec.tty && ioctl(container->held.stdin_end->get(), TIOCSWINSZ, &size) != 0)
        return fail_errno(errno, "resizing the terminal");
    publish(*container, "resize", {{"height", std::to_string(rows)}, {"width", std::to_string(columns)}});
    return {};
}

// Both streams to their ends. Stopping the service leaves the bytes in the pipes, which the keeper holds for the next
// engine.
Task<void> ContainerService::pump_all(std::shared_ptr<Output> output, UniqueFd out, UniqueFd err) {
    const reactor::StopToken stop = scope_.token();
    const std::shared_ptr<ContainerLog> log = output->log();
    reactor::Scope writer("log");
    if (log) writer.spawn("log", log->write_records(stop));
    reactor::Scope streams("streams");
    if (out) streams.spawn("stdout", output->pump(std::move(out), LogStream::stdout_, stop));
    if (err) streams.spawn("stderr", output->pump(std::move(err), LogStream::stderr_, stop));
    CO_TRY_VOID(co_await streams.join());
    if (log && !stop.stop_requested()) log->end_of_run();
    CO_TRY_VOID(co_await writer.join());
    // Stopped is not drained: the next engine reads on, and only then is an exit told.
    if (stop.stop_requested()) co_return fail(ErrorKind::canceled, "the engine stops");
    output->drained().set();
    co_return Result<void>{};
}

ContainerPaths ContainerService::paths_of(const Container& container) const {
    const std::string directory = directory_of(container);
    const LogPlace log = log_place(container);
    const bool shown = log.settings.kind == LogDriverKind::json_file;   // dockerd tells of no other
    return {directory + "/hosts", directory + "/hostname", directory + "/resolv.conf",
            shown ? log.path : std::string()};
}

storage::UsersOf ContainerService::image_users() const {
    return [this](std::string_view image_id) {
        std::vector<storage::ContainerUse> users;
        for (const auto& [id, container] : containers_)
            if (container->image_id == image_id) users.push_back({id, container->active()});
        return users;
    };
}

void ContainerService::keeper_exit(const KeeperExit& exit) {
    const auto found = containers_.find(exit.id);
    if (found == containers_.end() || !found->second->held.cgroups) return let_go_of(exit.id);
    found->second->wait_status = exit.wait_status;
    found->second->wait_status_at = exit.exited_at;
    found->second->keeper_exit.set();
}

// Containers without their keeper: nobody would see them end, and the next engine would not find them. They are ended
// now.
void ContainerService::keeper_lost() {
    log_error("the keeper has died: its containers are ended");
    for (const auto& [id, container] : containers_)
        if (container->held.cgroups && !container->keeper_exit.is_set()) scope_.spawn("orphan", end_orphan(container));
}

// What is already over when we look has ended by itself: how is not known to anyone.
Task<void> ContainerService::end_orphan(std::shared_ptr<Container> container) {
    container->wait_status = exit_code_unknown << 8;
    if (const int pidfd = container->held.pidfd.get(); pidfd >= 0) {
        pollfd now{pidfd, POLLIN, 0};
        if (::poll(&now, 1, 0) == 0) container->wait_status = SIGKILL;
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
        thaw_now(cgroups_, options_.cgroup_parent, container->id);
        CO_TRY(auto events, co_await io::poll(pidfd, POLLIN));
        ignore_result(events, "readable: it is dead");
    }
    container->wait_status_at = realtime_ns();
    container->keeper_exit.set();
    co_return Result<void>{};
}

// After the last process is gone, or when a start failed: everything held goes back, whatever was reached.
void ContainerService::release(const std::shared_ptr<Container>& container) {
    HeldResources& held = container->held;
    if (held.output) held.output->end();
    if (held.cgroups || held.keeper) {
        container->leaving = true;
        scope_.spawn("release", let_go(container, held.cgroups));
    }
    release_network(*container);
    held = HeldResources{};
    container->state.pid = 0;
}

// Removing a control group waits in the kernel for everyone who is just joining one: on the ring, and nobody but the
// next start waits for it. The keeper forgets last, so that an engine that dies here finds the container's groups
// again.
Task<void> ContainerService::let_go(std::shared_ptr<Container> container, bool cgroups) {
    if (cgroups) {
        const auto directories = container_cgroup_directories(cgroups_, options_.cgroup_parent, container->id);
        for (const std::string& directory : directories) {
            CO_TRY_VOID(co_await remove_cgroup(directory));
        }
    }
    keeper_.forget(container->id);
    container->leaving = false;
    container->left.notify_all();
    co_return Result<void>{};
}

// A group stays busy for a moment after its last process has ended.
Task<void> ContainerService::remove_cgroup(const std::string& directory) {
    for (int attempt = 0; attempt < cgroup_removal_attempts; ++attempt) {
        auto gone = co_await io::unlinkat(AT_FDCWD, directory.c_str(), AT_REMOVEDIR);
        if (gone || gone.error().error_number() == ENOENT) co_return Result<void>{};
        // Without its init (and, perhaps, without its keeper) nothing in it is looked after.
        if (attempt % cgroup_kill_attempt == cgroup_kill_attempt - 1) {
            thaw_now(cgroups_, options_.cgroup_parent, directory.substr(directory.rfind('/') + 1));
            kill_cgroup(directory);
        }
        if (gone.error().error_number() != EBUSY) {
            log_warn("removing " + directory + ": " + gone.error().message());
            co_return Result<void>{};
        }
        const Nanoseconds pause = attempt < cgroup_quick_attempts ? cgroup_removal_pause : 20 * cgroup_removal_pause;
        CO_TRY_VOID(co_await reactor::sleep_for(pause, scope_.token()));   // the next engine goes on with it
    }
    log_warn("removing " + directory + ": it stays busy, left as it is");
    co_return Result<void>{};
}

Task<SeccompCompiler::Filter> ContainerService::seccomp_filter(const SeccompWish& wish) {
    std::string profile = wish.profile;
    auto filter = co_await seccomp_.filter(std::move(profile), wish.capabilities);
    co_return filter;
}

std::vector<std::string> ContainerService::cgroup_directories(const Container& container) const {
    return container_cgroup_directories(cgroups_, options_.cgroup_parent, container.id);
}

// Asked only where it can have happened: the kernel tells it in a file of the control group.
bool ContainerService::ended_by_oom(const Container& container) const {
    const int status = container.wait_status;
    const bool killed = (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || exit_code_of(status) == 128 + SIGKILL;
    if (!killed && container.spec.memory <= 0) return false;
    return oom_kills(cgroups_, options_.cgroup_parent, container.id) > 0;
}

void ContainerService::publish(const Container& container, std::string_view action, EventAttributes attributes) {
    for (const auto& [name, value] : container.spec.labels) attributes[name] = value;
    if (!container.spec.image.empty()) attributes["image"] = container.spec.image;
    attributes["name"] = container.name;
    events_.publish("container", action, container.id, std::move(attributes));
}

Task<void> ContainerService::supervise(std::shared_ptr<Container> container) {
    CO_TRY_VOID(co_await container->keeper_exit.wait(scope_.token()));
    const std::shared_ptr<Output> output = container->held.output;
    CO_TRY_VOID(co_await output->drained().wait(scope_.token()));
    CO_TRY(auto held, co_await container->lane.enter());
    ContainerState& state = container->state;
    state.exit_code = exit_code_of(container->wait_status);
    state.finished_at = container->wait_status_at;
    state.kill_at = 0;
    state.oom_killed = ended_by_oom(*container);
    const Nanoseconds ran = std::max<Nanoseconds>(state.finished_at - state.started_at, 0);
    const bool again = !state.restart_canceled && !container->removing &&
                       should_restart(container->spec.restart, state.exit_code, state.restarts, state.manually_stopped);
    state.status = again ? ContainerStatus::restarting : ContainerStatus::exited;
    if (again) {
        ++state.restarts;
        state.restart_pause = next_restart_pause(state.restart_pause, ran);
        state.restart_at = realtime_ns() + state.restart_pause;
    }
    release(container);
    save_state(*container);
    held.release();
    if (state.oom_killed) publish(*container, "oom");
    publish(*container, "die", {{"exitCode", std::to_string(state.exit_code)},
                                {"execDuration", std::to_string(ran / second)}});
    if (run_ended_) run_ended_(*container);
    container->exited.notify_all();
    if (again) scope_.spawn("restart", restart_later(container, state.restart_pause));
    if (again || !container->spec.auto_remove || container->removing || state.start_again) co_return Result<void>{};
    container->removing = true;
    auto removed = co_await remove_now(container);
    co_return removed;
}

}  // namespace engine::runtime
