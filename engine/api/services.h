// What the handlers work on. Filled by the composition root; the services outlive the server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/reactor/units.h"

namespace engine::runtime {
class ContainerFiles;
class ContainerService;
class ExecService;
class Events;
class StatsService;
}
namespace engine::net {
class Networks;
}
namespace engine::storage {
class ImageStore;
class RegistryService;
}

namespace engine::registry {
class DistributionServer;
}

namespace engine::api {

// Facts about this engine and host that do not change while it runs.
struct SystemFacts {
    std::string id;                      // of this data root
    std::string name;                    // host name
    std::string data_root;
    std::string storage_driver;
    std::string backing_filesystem;
    std::string cgroup_driver = "cgroupfs";
    int cgroup_version = 1;
    bool device_rules = true;            // containers are kept from devices that they were not given
    std::string log_driver = "json-file";
    std::vector<std::string> labels;
    std::vector<std::string> open_addresses;   // TCP addresses without TLS
    bool debug = false;
};

struct ObjectCounts {
    std::int64_t containers = 0, running = 0, paused = 0, stopped = 0, images = 0;
};

struct Services {
    SystemFacts facts;
    runtime::ContainerService* containers = nullptr;
    runtime::ExecService* execs = nullptr;
    runtime::StatsService* stats = nullptr;
    runtime::ContainerFiles* files = nullptr;
    storage::ImageStore* images = nullptr;
    storage::RegistryService* registry = nullptr;
    net::Networks* networks = nullptr;
    runtime::Events* events = nullptr;
    registry::DistributionServer* distribution = nullptr;  // of `dockerc registry serve`; an engine has none
    bool pruning = false;   // of containers, images, volumes or networks: one at a time
    // Counted when asked for.
    ObjectCounts (*count)(void* context) = nullptr;
    void* count_context = nullptr;
};

}  // namespace engine::api
