#include "engine/api/routes.h"

#include "engine/api/absent_api.h"
#include "engine/api/container_files_api.h"
#include "engine/api/container_verbs_api.h"
#include "engine/api/attach_api.h"
#include "engine/api/containers_api.h"
#include "engine/api/disk_usage_api.h"
#include "engine/api/events_api.h"
#include "engine/api/exec_api.h"
#include "engine/api/images_api.h"
#include "engine/api/registry_api.h"
#include "engine/api/logs_api.h"
#include "engine/api/networks_api.h"
#include "engine/api/stats_api.h"
#include "engine/api/system_api.h"

namespace engine::api {
namespace {

constexpr Route table[] = {
    {"GET", "/_ping", get_ping, Watch::no, true},
    {"HEAD", "/_ping", get_ping, Watch::no, true},
    {"GET", "/version", get_version, Watch::no, true},
    {"GET", "/info", get_info, Watch::no, true},
    {"GET", "/system/df", get_disk_usage, Watch::client},
    {"GET", "/events", stream_events, Watch::client},
    {"GET", "/containers/json", list_containers, Watch::no, true},
    {"GET", "/containers/{*}/json", inspect_container},
    {"POST", "/containers/create", create_container},
    {"POST", "/containers/{*}/start", start_container},
    {"POST", "/containers/{*}/stop", stop_container},
    {"POST", "/containers/{*}/kill", kill_container},
    {"POST", "/containers/{*}/restart", restart_container},
    {"POST", "/containers/{*}/pause", pause_container},
    {"POST", "/containers/{*}/unpause", unpause_container},
    {"POST", "/containers/{*}/rename", rename_container},
    {"GET", "/containers/{*}/top", top_container, Watch::client},
    {"GET", "/containers/{*}/stats", container_stats, Watch::client},
    {"POST", "/containers/{*}/update", update_container},
    {"POST", "/containers/prune", prune_containers, Watch::client},
    {"POST", "/containers/{*}/wait", wait_container, Watch::client},
    {"POST", "/containers/{*}/attach", attach_container, Watch::hangup},
    {"GET", "/containers/{*}/attach/ws", attach_websocket, Watch::hangup},
    {"GET", "/containers/{*}/logs", container_logs, Watch::client},
    {"POST", "/containers/{*}/plug", plug_interface},
    {"POST", "/containers/{*}/unplug", unplug_interface},
    {"POST", "/containers/{*}/resize", resize_container},
    {"POST", "/containers/{*}/exec", create_exec, Watch::client},
    {"DELETE", "/containers/{*}", remove_container},
    {"POST", "/exec/{}/start", start_exec, Watch::hangup},
    {"POST", "/exec/{}/resize", resize_exec, Watch::client},
    {"GET", "/exec/{}/json", inspect_exec},
    {"HEAD", "/containers/{}/archive", stat_archive, Watch::client},
    {"GET", "/containers/{}/archive", get_archive, Watch::client},
    {"PUT", "/containers/{}/archive", put_archive},
    {"POST", "/containers/{}/copy", copy_from_container},
    {"GET", "/containers/{}/export", export_container, Watch::client},
    {"GET", "/containers/{}/changes", container_changes, Watch::client},
    {"POST", "/commit", commit_container},
    {"GET", "/images/json", list_images},
    {"POST", "/images/load", load_images},
    {"POST", "/images/create", create_image, Watch::hangup},
    {"GET", "/images/search", search_images, Watch::client},
    {"POST", "/images/{*}/push", push_image, Watch::client},
    {"GET", "/distribution/{*}/json", inspect_distribution, Watch::client},
    {"POST", "/auth", check_login, Watch::client},
    {"POST", "/images/prune", prune_images},
    {"GET", "/images/get", save_images, Watch::client},
    {"GET", "/images/{*}/get", save_images, Watch::client},
    {"GET", "/images/{*}/json", inspect_image},
    {"GET", "/images/{*}/history", history_of_image},
    {"POST", "/images/{*}/tag", tag_image},
    {"DELETE", "/images/{*}", remove_image},
    {"GET", "/networks", list_networks},
    {"GET", "/networks/{}", inspect_network},
    {"POST", "/networks/create", create_network},
    {"POST", "/networks/prune", prune_networks},
    {"POST", "/networks/{}/connect", connect_network},
    {"POST", "/networks/{}/disconnect", disconnect_network},
    {"DELETE", "/networks/{}", remove_network},
    // Without swarm, plugins and experiments dockerd answers these just so.
    {"GET", "/plugins", get_plugins},
    {"GET", "/volumes", get_volumes},
    {"GET", "/plugins/{*}/json", no_such_plugin},
    {"POST", "/plugins/{*}/enable", no_such_plugin},
    {"POST", "/plugins/{*}/disable", no_such_plugin},
    {"POST", "/plugins/{*}/set", no_such_plugin},
    {"POST", "/plugins/{*}/upgrade", no_such_plugin},
    {"POST", "/plugins/{*}/push", no_such_plugin},
    {"DELETE", "/plugins/{*}", no_such_plugin},
    {"GET", "/plugins/privileges", no_plugins},
    {"POST", "/plugins/pull", no_plugins},
    {"POST", "/plugins/create", no_plugins},
    {"POST", "/swarm/init", no_swarm_mode},
    {"POST", "/swarm/join", no_swarm_mode},
    {"POST", "/swarm/leave", not_in_a_swarm},
    {"GET", "/swarm", not_a_manager},
    {"POST", "/swarm/update", not_a_manager},
    {"GET", "/swarm/unlockkey", not_a_manager},
    {"POST", "/swarm/unlock", not_a_manager},
    {"GET", "/nodes", not_a_manager},
    {"GET", "/nodes/{}", not_a_manager},
    {"POST", "/nodes/{}/update", not_a_manager},
    {"DELETE", "/nodes/{}", not_a_manager},
    {"GET", "/services", not_a_manager},
    {"POST", "/services/create", not_a_manager},
    {"GET", "/services/{}", not_a_manager},
    {"POST", "/services/{}/update", not_a_manager},
    {"DELETE", "/services/{}", not_a_manager},
    {"GET", "/services/{}/logs", not_a_manager},
    {"GET", "/tasks", not_a_manager},
    {"GET", "/tasks/{}", not_a_manager},
    {"GET", "/tasks/{}/logs", not_a_manager},
    {"GET", "/secrets", not_a_manager},
    {"POST", "/secrets/create", not_a_manager},
    {"GET", "/secrets/{}", not_a_manager},
    {"POST", "/secrets/{}/update", not_a_manager},
    {"DELETE", "/secrets/{}", not_a_manager},
    {"GET", "/configs", not_a_manager},
    {"POST", "/configs/create", not_a_manager},
    {"GET", "/configs/{}", not_a_manager},
    {"POST", "/configs/{}/update", not_a_manager},
    {"DELETE", "/configs/{}", not_a_manager},
    {"GET", "/containers/{*}/checkpoints", not_experimental},
    {"POST", "/containers/{*}/checkpoints", not_experimental},
    {"DELETE", "/containers/{*}/checkpoints/{}", not_experimental},
};

}  // namespace

std::span<const Route> routes() { return table; }

}  // namespace engine::api
