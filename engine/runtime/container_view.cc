#include "engine/runtime/container_view.h"

#include <algorithm>

#include "engine/runtime/go_time.h"

namespace engine::runtime {

std::string_view status_word(ContainerStatus status) {
    switch (status) {
        case ContainerStatus::created: return "created";
        case ContainerStatus::running: return "running";
        case ContainerStatus::paused: return "paused";
        case ContainerStatus::exited: return "exited";
        case ContainerStatus::removing: return "removing";
        case ContainerStatus::dead: return "dead";
        case ContainerStatus::restarting: return "restarting";
    }
    return "";
}

bool is_status_word(std::string_view word) {
    static constexpr std::string_view known[] = {"created", "restarting", "running", "removing",
                                                 "paused",  "exited",     "dead"};
    return std::find(std::begin(known), std::end(known), word) != std::end(known);
}

std::string status_text(const ContainerState& state, Nanoseconds now) {
    switch (state.status) {
        case ContainerStatus::created: return "Created";
        case ContainerStatus::running: return "Up " + human_duration(now - state.started_at);
        case ContainerStatus::paused: return "Up " + human_duration(now - state.started_at) + " (Paused)";
        case ContainerStatus::removing: return "Removal In Progress";
        case ContainerStatus::dead: return "Dead";
        case ContainerStatus::restarting:
            return "Restarting (" + std::to_string(state.exit_code) + ") " + human_duration(now - state.finished_at) +
                   " ago";
        case ContainerStatus::exited: break;
    }
    return "Exited (" + std::to_string(state.exit_code) + ") " + human_duration(now - state.finished_at) + " ago";
}

std::string process_path(const ContainerSpec& spec) {
    if (!spec.entrypoint.empty()) return spec.entrypoint[0];
    return spec.cmd.empty() ? std::string() : spec.cmd[0];
}

std::vector<std::string> process_arguments(const ContainerSpec& spec) {
    std::vector<std::string> out = spec.entrypoint;
    out.insert(out.end(), spec.cmd.begin(), spec.cmd.end());
    if (!out.empty()) out.erase(out.begin());
    return out;
}

std::string command_line(const ContainerSpec& spec) {
    std::string out = process_path(spec);
    for (const std::string& argument : process_arguments(spec)) {
        const bool quoted = argument.find(' ') != std::string::npos;
        out.append(quoted ? " '" : " ").append(argument).append(quoted ? "'" : "");
    }
    return out;
}

std::vector<MountSpec> mount_points(const ContainerSpec& spec) {
    std::vector<MountSpec> out = mounts_of(spec);
    std::erase_if(out, [&](const MountSpec& mount) {
        return mount.type == MountType::volume || (mount.type == MountType::tmpfs && spec.tmpfs.contains(mount.target));
    });
    return out;
}

std::string network_name(const ContainerSpec& spec) {
    return spec.network_mode.empty() || spec.network_mode == "default" ? "bridge" : spec.network_mode;
}

}  // namespace engine::runtime
