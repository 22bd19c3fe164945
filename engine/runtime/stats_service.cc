#include "engine/runtime/stats_service.h"

#include <algorithm>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {

StatsService::Listener::Listener(StatsService* service, std::shared_ptr<Container> container)
    : sampler_(service->sampler_of(std::move(container))) {
    ++sampler_->listeners;
    if (sampler_->latest) seen_ = sampler_->number - 1;
}

StatsService::Listener::~Listener() {
    if (--sampler_->listeners == 0) sampler_->stop.request_stop();
}

Task<std::shared_ptr<const StatsSample>> StatsService::Listener::next(reactor::StopToken stop) {
    while (sampler_->number == seen_ && !sampler_->gone) {
        CO_TRY_VOID(co_await sampler_->changed.wait(stop));
    }
    if (sampler_->number == seen_) co_return std::shared_ptr<const StatsSample>();
    seen_ = sampler_->number;
    co_return sampler_->latest;
}

std::shared_ptr<StatsService::Sampler> StatsService::sampler_of(std::shared_ptr<Container> container) {
    std::shared_ptr<Sampler>& known = samplers_[container->id];
    // One that was told to stop is on its way out.
    if (known && !known->stop.stop_requested()) return known;
    known = std::make_shared<Sampler>();
    known->container = std::move(container);
    known->stop.follow(scope_.token());
    const std::shared_ptr<Sampler> sampler = known;
    scope_.spawn("stats sampler", run(sampler));
    return sampler;
}

Task<void> StatsService::run(std::shared_ptr<Sampler> sampler) {
    Nanoseconds due = reactor::Loop::current().now();
    const std::shared_ptr<Container> container = sampler->container;
    while (!sampler->stop.stop_requested() && !container->removed.is_set()) {
        auto taken = co_await sample(container);
        if (!taken) break;
        sampler->latest = std::make_shared<const StatsSample>(std::move(*taken));
        ++sampler->number;
        sampler->changed.notify_all();
        const Nanoseconds now = reactor::Loop::current().now();
        due = std::max(due + interval, now);
        reactor::Deadline tick(due - now, sampler->stop.token());
        while (!tick.passed() && !container->removed.is_set()) {
            auto told = co_await container->removed.wait(tick.token());
            ignore_result(told, "a removal that failed wakes, too");
        }
    }
    sampler->gone = true;
    sampler->changed.notify_all();
    const auto known = samplers_.find(container->id);
    if (known != samplers_.end() && known->second == sampler) samplers_.erase(known);
    co_return Result<void>{};
}

namespace {

// The interfaces of its networks, or of those of the container whose namespace it shares; what else is in there (lo,
// the kernel's tunnels) Docker does not count.
const net::Sandbox* sandbox_of(const ContainerService& containers, const Container& container) {
    const Container* owner = &container;
    for (int depth = 0; depth < 8 && owner->network->kind == NetworkKind::container; ++depth) {
        const auto peer = containers.find(owner->network->peer);
        if (!peer) return nullptr;
        owner = peer->get();
    }
    return owner->network->sandbox.get();
}

std::vector<InterfaceCounts> of_networks(std::string_view text, const net::Sandbox& sandbox) {
    std::vector<InterfaceCounts> counts = parse_interface_counts(text);
    std::erase_if(counts, [&sandbox](const InterfaceCounts& one) {
        return std::ranges::none_of(sandbox.endpoints,
                                    [&one](const auto& endpoint) { return endpoint->inside_link == one.name; });
    });
    std::ranges::sort(counts, {}, &InterfaceCounts::name);
    return counts;
}

}  // namespace

// A file that cannot be read (a controller that is off for containers, a group that is just going) counts as nothing.
Task<StatsSample> StatsService::sample(std::shared_ptr<Container> container) {
    StatsSample out;
    if (!container->running()) co_return out;
    const CgroupHost& host = containers_.cgroup_host();
    out.groups.v2 = host.v2;
    const auto files = cgroup_stats_files(host, containers_.cgroup_directories(*container));
    for (const CgroupStatsFile& file : files) {
        std::string path = file.path;
        const auto text = co_await io::read_file(std::move(path), kStatsFileBytes);
        if (text) file.take(*text, out.groups);
    }
    out.read = realtime_ns();
    std::string host_path = "/proc/stat";
    CO_TRY(const auto processors, co_await io::read_file(std::move(host_path), kStatsFileBytes));
    out.host = parse_host_cpu(processors);
    std::string network_path = "/proc/" + std::to_string(container->state.pid) + "/net/dev";
    const auto interfaces = co_await io::read_file(std::move(network_path), kStatsFileBytes);
    const net::Sandbox* sandbox = sandbox_of(containers_, *container);
    if (interfaces && sandbox != nullptr) out.interfaces = of_networks(*interfaces, *sandbox);
    out.running = container->running();
    if (!out.running) co_return StatsSample{};
    co_return out;
}

Task<void> StatsService::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

}  // namespace engine::runtime
