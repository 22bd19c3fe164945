#include "engine/api/routes.h"

#include "engine/api/absent_api.h"
#include "engine/api/system_api.h"

namespace engine::api {
namespace {

constexpr Route table[] = {
    {"GET", "/_ping", get_ping},
    {"HEAD", "/_ping", get_ping},
    {"GET", "/version", get_version},
    {"GET", "/info", get_info},
    // Without swarm and plugins dockerd answers these just so.
    {"GET", "/plugins", get_plugins},
    {"GET", "/volumes", get_volumes},
    {"GET", "/swarm", no_swarm},
    {"GET", "/nodes", no_swarm},
    {"GET", "/nodes/{}", no_swarm},
    {"GET", "/services", no_swarm},
    {"GET", "/services/{}", no_swarm},
    {"GET", "/tasks", no_swarm},
    {"GET", "/tasks/{}", no_swarm},
    {"GET", "/secrets", no_swarm},
    {"GET", "/secrets/{}", no_swarm},
    {"GET", "/configs", no_swarm},
    {"GET", "/configs/{}", no_swarm},
};

}  // namespace

std::span<const Route> routes() { return table; }

}  // namespace engine::api
