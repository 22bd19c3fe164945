#include "engine/api/container_json.h"

#include "engine/api/network_settings_json.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_view.h"
#include "engine/runtime/go_time.h"
#include "engine/runtime/spec_json.h"
#include "engine/storage/image_store.h"

namespace engine::api {
namespace {

using runtime::Container;
using runtime::MountSpec;
using runtime::MountType;

void write_state(json::Writer& w, const Container& c) {
    const runtime::ContainerState& state = c.state;
    w.begin_object().field("Status", runtime::status_word(state.status)).field("Running", c.active());
    w.field("Paused", state.status == runtime::ContainerStatus::paused);
    w.field("Restarting", state.status == runtime::ContainerStatus::restarting);
    w.field("OOMKilled", state.oom_killed).field("Dead", state.status == runtime::ContainerStatus::dead);
    w.field("Pid", state.pid).field("ExitCode", state.exit_code).field("Error", state.error);
    w.field("StartedAt", runtime::rfc3339_nano(state.started_at));
    w.field("FinishedAt", runtime::rfc3339_nano(state.finished_at)).end_object();
}

void write_mounts(json::Writer& w, const Container& c) {
    w.begin_array();
    for (const MountSpec& mount : runtime::mount_points(c.spec)) {
        w.begin_object()
            .field("Type", mount.type_name)
            .field("Source", mount.source)
            .field("Destination", mount.target);
        w.field("Mode", mount.mode).field("RW", !mount.read_only);
        std::string_view propagation = "rprivate";
        if (!mount.propagation.empty()) propagation = mount.propagation;
        w.field("Propagation", mount.type == MountType::bind ? propagation : "").end_object();
    }
    w.end_array();
}

void write_graph_driver(json::Writer& w, const Services& services, const Container& c) {
    w.begin_object().field("Name", services.facts.storage_driver).key("Data");
    const auto plan = services.images->rootfs_of(c.id, c.image_id);
    if (plan.kind == storage::RootfsPlan::Kind::directory) {
        w.begin_object().field("Dir", plan.directory).end_object().end_object();
        return;
    }
    std::string lowers;
    for (const std::string& lower : plan.lowers) lowers.append(lowers.empty() ? "" : ":").append(lower);
    w.begin_object().field("LowerDir", lowers);
    // The overlay is mounted in the container's own mount namespace only: that is where its merged tree can be looked
    // at.
    if (c.running()) w.field("MergedDir", "/proc/" + std::to_string(c.state.pid) + "/root");
    w.field("UpperDir", plan.upper).field("WorkDir", plan.work).end_object().end_object();
}

void write_sizes(json::Writer& w, const std::optional<ContainerSizes>& sizes) {
    if (sizes) w.field("SizeRw", sizes->writable).field("SizeRootFs", sizes->whole);
}

// The name it was made from while that still means the same image, else the image's id.
std::string image_shown(const Services& services, const Container& c) {
    const auto now = services.images->find(c.spec.image);
    return now && now->id == c.image_id ? c.spec.image : c.image_id;
}

// Links are told by the names that both have now.
std::string host_config(const Services& services, const Container& c) {
    if (c.network->links.empty()) return runtime::complete_host_config(c.spec);
    runtime::ContainerSpec spec = c.spec;
    const std::vector<std::string> shown = services.containers->links_shown(c);
    json::Writer links;
    links.value(shown);
    runtime::set_host_config(spec, {{"Links", shown.empty() ? "null" : links.take()}});
    return runtime::complete_host_config(spec);
}

}  // namespace

std::string container_inspect(const Services& services, const Container& c,
                              const std::optional<ContainerSizes>& sizes) {
    const runtime::ContainerPaths paths = services.containers->paths_of(c);
    json::Writer w;
    w.begin_object().field("Id", c.id).field("Created", runtime::rfc3339_nano(c.created_at));
    w.field("Path", runtime::process_path(c.spec)).field("Args", runtime::process_arguments(c.spec)).key("State");
    write_state(w, c);
    w.field("Image", c.image_id).field("ResolvConfPath", paths.resolv_conf).field("HostnamePath", paths.hostname);
    w.field("HostsPath", paths.hosts).field("LogPath", paths.log).field("Name", "/" + c.name);
    w.field("RestartCount", c.state.restarts);
    w.field("Driver", services.facts.storage_driver).field("Platform", "linux").field("MountLabel", "");
    w.field("ProcessLabel", "").field("AppArmorProfile", "");
    if (c.exec_ids.empty()) {
        w.field_null("ExecIDs");
    } else {
        w.field("ExecIDs", c.exec_ids);
    }
    w.field_raw("HostConfig", host_config(services, c)).key("GraphDriver");
    write_graph_driver(w, services, c);
    write_sizes(w, sizes);
    w.key("Mounts");
    write_mounts(w, c);
    w.field_raw("Config", runtime::complete_config(c.spec, c.spec.hostname)).key("NetworkSettings");
    write_network_settings(w, services, c);
    return w.end_object().take();
}

void write_container_summary(json::Writer& w, const Services& services, const Container& c, Nanoseconds now,
                             const std::optional<ContainerSizes>& sizes) {
    w.begin_object().field("Id", c.id).key("Names").begin_array().string("/" + c.name);
    for (const std::string& name : services.containers->link_names(c)) w.string(name);
    w.end_array();
    w.field("Image", image_shown(services, c)).field("ImageID", c.image_id);
    w.field("Command", runtime::command_line(c.spec)).field("Created", c.created_at / second);
    w.key("Ports");
    write_port_list(w, c);
    w.field("Labels", c.spec.labels);
    write_sizes(w, sizes);
    w.field("State", runtime::status_word(c.state.status)).field("Status", runtime::status_text(c.state, now));
    w.key("HostConfig").begin_object().field("NetworkMode", runtime::network_name(c.spec)).end_object();
    w.key("NetworkSettings");
    write_networks(w, services, c);
    w.key("Mounts");
    write_mounts(w, c);
    w.end_object();
}

}  // namespace engine::api
