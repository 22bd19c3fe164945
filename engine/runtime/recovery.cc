// Rows, and what is found at start: containers that the keeper still holds are taken over, the others are told
// truthfully.
#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "engine/net/network_text.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

constexpr std::size_t adopted_in_a_turn = 2;   // a tenth of a millisecond each: the first questions do not wait

std::string fixed_text(const Container& c) {
    json::Writer w;
    w.begin_object().field("image", c.image_id).field("created", c.created_at).field_raw("spec", spec_text(c.spec));
    return w.end_object().take();
}

std::string state_text(const ContainerState& state, const net::Sandbox* network) {
    json::Writer w;
    w.begin_object().field("status", static_cast<int>(state.status)).field("exit_code", state.exit_code);
    if (network) w.field_raw("network", net::sandbox_text(*network));
    w.field("oom", state.oom_killed)
        .field("error", state.error)
        .field("started", state.started_at)
        .field("finished", state.finished_at);
    if (state.restarts != 0) w.field("restarts", state.restarts);
    if (state.manually_stopped) w.field("manually_stopped", true);
    if (state.restart_canceled) w.field("restart_canceled", true);
    if (state.restart_pause != 0) w.field("restart_pause", state.restart_pause);
    if (state.restart_at != 0) w.field("restart_at", state.restart_at);
    if (state.kill_at != 0) w.field("kill_at", state.kill_at);
    if (state.start_again) w.field("start_again", true);
    return w.end_object().take();
}

Result<void> parse_fixed(std::string_view text, Container& c) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::string_view image;
    simdjson::dom::element spec;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS ||
        root["image"].get(image) != simdjson::SUCCESS || root["created"].get(c.created_at) != simdjson::SUCCESS ||
        root["spec"].get(spec) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "its row cannot be read");
    c.image_id = std::string(image);
    const std::string spec_json = simdjson::minify(spec);
    TRY(c.spec, parse_spec(spec_json));
    return {};
}

Result<void> parse_state(std::string_view text, ContainerState& state) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::int64_t status = 0;
    std::int64_t exit_code = 0;
    std::string_view error;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS ||
        root["status"].get(status) != simdjson::SUCCESS || root["exit_code"].get(exit_code) != simdjson::SUCCESS ||
        root["error"].get(error) != simdjson::SUCCESS || root["started"].get(state.started_at) != simdjson::SUCCESS ||
        root["finished"].get(state.finished_at) != simdjson::SUCCESS || status < 0 ||
        status > static_cast<int>(ContainerStatus::restarting))
        return fail(ErrorKind::internal, "its state cannot be read");
    const char* absent = "rows of older engines, and of containers it does not concern, do not have it";
    ignore_result(root["oom"].get(state.oom_killed), absent);
    std::int64_t restarts = 0;
    ignore_result(root["restarts"].get(restarts), absent);
    state.restarts = static_cast<int>(restarts);
    ignore_result(root["manually_stopped"].get(state.manually_stopped), absent);
    ignore_result(root["restart_canceled"].get(state.restart_canceled), absent);
    ignore_result(root["restart_pause"].get(state.restart_pause), absent);
    ignore_result(root["restart_at"].get(state.restart_at), absent);
    ignore_result(root["kill_at"].get(state.kill_at), absent);
    ignore_result(root["start_again"].get(state.start_again), absent);
    state.status = static_cast<ContainerStatus>(status);
    state.exit_code = static_cast<int>(exit_code);
    state.error = std::string(error);
    return {};
}

// Null when there is none; one that cannot be read is told, and its container goes on without.
std::shared_ptr<net::Sandbox> parse_network_state(std::string_view text, const std::string& id) {
    simdjson::dom::parser parser;
    simdjson::dom::element network;
    if (parser.parse(text.data(), text.size())["network"].get(network) != simdjson::SUCCESS) return nullptr;
    auto sandbox = net::parse_sandbox(simdjson::minify(network));
    if (sandbox) return std::move(*sandbox);
    log_error("container " + id + ": " + sandbox.error().message());
    return nullptr;
}

const net::Sandbox* sandbox_of(const Container& container) {
    return container.network ? container.network->sandbox.get() : nullptr;
}

}  // namespace

Result<void> ContainerService::save_new(const Container& container) {
    return db_.put_container(
        {container.id, container.name, fixed_text(container), state_text(container.state, sandbox_of(container))});
}

Result<void> ContainerService::try_save_state(const Container& container) {
    return db_.set_container_state(container.id, state_text(container.state, sandbox_of(container)));
}

void ContainerService::save_state(const Container& container) {
    if (auto saved = try_save_state(container); !saved)
        log_error("container " + container.id + ": its state is not recorded: " + saved.error().message());
}

Result<void> ContainerService::recover() {
    std::map<std::string, KeeperHolding> holdings;
    for (KeeperHolding& holding : keeper_.take_holdings()) {
        std::string id = holding.id;
        holdings.emplace(std::move(id), std::move(holding));
    }
    TRY(auto rows, db_.containers());
    for (const storage::ContainerRow& row : rows) recover_one(row, holdings);
    finish_logs();
    // Runs that nobody waits for: a start cut off before its row said "running", an end cut off before the keeper
    // forgot it.
    for (auto& [id, holding] : holdings) {
        if (holding.running) {
            if (const auto found = containers_.find(id); found != containers_.end()) found->second->leaving = true;
            syscall(SYS_pidfd_send_signal, holding.pidfd.get(), SIGKILL, nullptr, 0);
        } else {
            let_go_of(id);
        }
    }
    return {};
}

// Output of runs that are over, which no engine has logged; of containers that are gone it is nobody's.
void ContainerService::finish_logs() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(options_.exec_root + "/output", error)) {
        const auto found = containers_.find(entry.path().filename().string());
        if (found == containers_.end()) {
            ::unlink(entry.path().c_str());
        } else if (!found->second->held.output && !found->second->held.keeper) {
            scope_.spawn("finish log", finish_log(found->second));
        }
    }
}

// A run whose end concerns nobody any more; its container may be gone.
void ContainerService::let_go_of(const std::string& id) {
    const auto found = containers_.find(id);
    std::shared_ptr<Container> container = found != containers_.end() ? found->second : std::make_shared<Container>();
    container->id = id;
    container->leaving = true;
    scope_.spawn("release", let_go(container, true));
}

void ContainerService::recover_one(const storage::ContainerRow& row, std::map<std::string, KeeperHolding>& holdings) {
    auto container = std::make_shared<Container>();
    container->id = row.id;
    container->name = row.name;
    auto parsed = parse_fixed(row.json, *container);
    if (parsed) parsed = parse_state(row.state, container->state);
    if (!parsed) {
        log_error("container " + row.id + ": " + parsed.error().message() + ", left as it is");
        return;
    }
    if (auto read = read_network(*container); !read) {
        log_error("container " + row.id + ": " + read.error().message() + ": it has no network");
        container->network = std::make_shared<ContainerNetwork>();
    }
    containers_[row.id] = container;
    ids_by_name_[row.name] = row.id;
    register_links(*container);
    images_.hold(container->image_id);
    restore_files(*container);
    const auto held = holdings.find(row.id);
    const bool ran = container->running();
    if (ran && held != holdings.end()) {
        container->network->sandbox = parse_network_state(row.state, row.id);
        hold_again(*container, held->second);
        if (held->second.running) {
            to_adopt_.push_back({container, std::move(held->second)});
        } else {
            adopt(container, held->second);   // its end is to be told before anybody asks
        }
        holdings.erase(held);
        return;
    }
    if (!ran) {
        if (keeper_.fresh()) sweep_cgroups(container);
        decide_what_follows(container);
        return;
    }
    log_warn("container " + row.id + " ran and nobody saw its end");
    container->state.status = ContainerStatus::exited;
    container->state.exit_code = exit_code_unknown;
    container->state.finished_at = realtime_ns();
    container->held.cgroups = true;
    release(container);
    save_state(*container);
    decide_what_follows(container);
}

void ContainerService::remove_soon(const std::shared_ptr<Container>& container) {
    container->removing = true;
    scope_.spawn("auto-remove", remove_now(container));
}

// Keeper and engine both died in the middle of a start or an end: the groups are there, and perhaps somebody in them.
void ContainerService::sweep_cgroups(const std::shared_ptr<Container>& container) {
    const auto directories = container_cgroup_directories(cgroups_, options_.cgroup_parent, container->id);
    for (const std::string& directory : directories) {
        if (access(directory.c_str(), F_OK) != 0) continue;
        container->leaving = true;
        scope_.spawn("release", let_go(container, true));
        return;
    }
}

// A row whose folder somebody took away: the container starts again from its image, and the log says so.
void ContainerService::restore_files(Container& container) {
    if (access((directory_of(container) + "/hosts").c_str(), F_OK) == 0) return;
    log_warn("the files of container " + container.id + " are missing: what it had written is lost");
    if (auto made = write_network_files(container); !made) log_error(made.error().message());
}

// What a signal and the news of its end need.
void ContainerService::hold_again(Container& container, KeeperHolding& holding) {
    container.held.keeper = true;
    container.held.cgroups = true;
    container.held.pidfd = std::move(holding.pidfd);
    container.state.pid = holding.pid;
}

Task<void> ContainerService::take_over(reactor::StopToken stop) {
    std::vector<Adoption> rest = std::exchange(to_adopt_, {});
    std::size_t taken = 0;
    for (Adoption& one : rest) {
        adopt(one.container, one.holding);
        if (++taken % adopted_in_a_turn != 0) continue;
        CO_TRY_VOID(co_await reactor::sleep_for(1, stop));
    }
    co_return Result<void>{};
}

void ContainerService::adopt(std::shared_ptr<Container> container, KeeperHolding& holding) {
    auto log = begin_log(*container);
    if (!log) log_error("container " + container->id + ": " + log.error().message() + ": its output is not kept");
    UniqueFd out = std::move(holding.held_stdout);
    if (container->spec.tty) out.reset(fcntl(holding.held_stdin.get(), F_DUPFD_CLOEXEC, 3));
    if (holding.held_stdin) container->held.stdin_end = std::make_shared<UniqueFd>(std::move(holding.held_stdin));
    container->held.output = std::make_shared<Output>(log ? std::move(*log) : nullptr, container->spec.tty);
    if (!holding.running) {
        container->wait_status = holding.wait_status;
        container->wait_status_at = holding.exited_at;
        container->keeper_exit.set();
    }
    scope_.spawn("container", pump_all(container->held.output, std::move(out), std::move(holding.held_stderr)));
    scope_.spawn("supervisor", supervise(container));
    if (!holding.running) return;
    if (container->state.status == ContainerStatus::paused) scope_.spawn("paused", check_paused(container));
    if (container->state.kill_at != 0) scope_.spawn("stop", finish_stop(container));
    if (container->state.start_again) scope_.spawn("restart", start_after_end(container));
}

}  // namespace engine::runtime
