#include "engine/api/routes.h"

#include "engine/api/absent_api.h"
#include "engine/api/container_verbs_api.h"
#include "engine/api/containers_api.h"
#include "engine/api/disk_usage_api.h"
#include "engine/api/events_api.h"
#include "engine/api/images_api.h"
#include "engine/api/system_api.h"

namespace engine::api {
namespace {

constexpr Route table[] = {
    {"GET", "/_ping", get_ping},
    {"HEAD", "/_ping", get_ping},
    {"GET", "/version", get_version},
    {"GET", "/info", get_info},
    {"GET", "/system/df", get_disk_usage, Watch::client},
    {"GET", "/events", stream_events, Watch::client},
    {"GET", "/containers/json", list_containers},
    {"GET", "/containers/{}/json", inspect_container},
    {"POST", "/containers/create", create_container},
    {"POST", "/containers/{}/start", start_container},
    {"POST", "/containers/{}/stop", stop_container},
    {"POST", "/containers/{}/kill", kill_container},
    {"POST", "/containers/{}/restart", restart_container},
    {"POST", "/containers/{}/pause", pause_container},
    {"POST", "/containers/{}/unpause", unpause_container},
    {"POST", "/containers/{}/rename", rename_container},
    {"POST", "/containers/{}/wait", wait_container, Watch::client},
    {"POST", "/containers/{}/attach", attach_container, Watch::hangup},
    {"GET", "/containers/{}/logs", container_logs, Watch::client},
    {"POST", "/containers/{}/resize", resize_container},
    {"DELETE", "/containers/{}", remove_container},
    {"GET", "/images/json", list_images},
    {"POST", "/images/load", load_images},
    {"POST", "/images/create", create_image},
    {"GET", "/images/{*}/json", inspect_image},
    {"GET", "/images/{*}/history", history_of_image},
    {"POST", "/images/{*}/tag", tag_image},
    {"DELETE", "/images/{*}", remove_image},
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
