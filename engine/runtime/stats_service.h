// What containers use: one sampler for each container that somebody listens to, once a second, shared by all who do.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/units.h"
#include "engine/runtime/linux/cgroup_stats.h"

namespace engine::runtime {

class ContainerService;
struct Container;

struct StatsSample {
    bool running = false;      // else all of it is empty
    Nanoseconds read = 0;      // CLOCK_REALTIME
    CgroupStats groups;
    HostCpu host;
    std::vector<InterfaceCounts> interfaces;   // of the container's networks
};

class StatsService {
    struct Sampler;

public:
    static constexpr Nanoseconds interval = second;

    // The containers outlive the service.
    explicit StatsService(ContainerService& containers) : containers_(containers) {}

    // Lives in the listening task. Samples go on while there is one.
    class Listener {
    public:
        Listener(StatsService* service, std::shared_ptr<Container> container);
        ~Listener();
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        // The newest sample that it has not had; the first may be there already, and is no older than the interval.
        // None: the container is gone. Whoever is slow misses samples.
        Task<std::shared_ptr<const StatsSample>> next(reactor::StopToken stop);

    private:
        std::shared_ptr<Sampler> sampler_;
        std::uint64_t seen_ = 0;
    };

    // A sample for one who does not listen.
    Task<StatsSample> sample(std::shared_ptr<Container> container);

    Task<void> close();

private:
    struct Sampler {
        std::shared_ptr<Container> container;
        std::shared_ptr<const StatsSample> latest;
        std::uint64_t number = 0;    // of the latest
        bool gone = false;           // no further one will come
        std::size_t listeners = 0;
        reactor::Event changed;
        reactor::StopSource stop;    // nobody listens any more
    };
    std::shared_ptr<Sampler> sampler_of(std::shared_ptr<Container> container);
    Task<void> run(std::shared_ptr<Sampler> sampler);

    ContainerService& containers_;
    std::map<std::string, std::shared_ptr<Sampler>> samplers_;   // by container id; those that somebody listens to
    reactor::Scope scope_{"stats"};
};

}  // namespace engine::runtime
