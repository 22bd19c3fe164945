#include "engine/runtime/launch_devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

LaunchDevice node(std::string path, const struct stat& facts) {
    LaunchDevice device;
    device.path = std::move(path);
    device.mode = facts.st_mode;
    device.major = major(facts.st_rdev);
    device.minor = minor(facts.st_rdev);
    return device;
}

bool is_device(const struct stat& facts) { return S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode); }

// Every device of the host, but what belongs to its own terminals and sessions; as dockerd's privileged containers have
// it.
void add_host_devices(const std::filesystem::path& directory, std::vector<LaunchDevice>& out) {
    static constexpr std::string_view apart[] = {"pts",  "shm",         "fd",    "mqueue",
                                                 ".lxc", ".lxd-mounts", ".udev", "console"};
    static constexpr std::string_view made_anyway[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"};
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename();
        struct stat facts {};
        if (lstat(entry.path().c_str(), &facts) != 0) continue;
        if (S_ISDIR(facts.st_mode)) {
            if (std::find(std::begin(apart), std::end(apart), name) == std::end(apart))
                add_host_devices(entry.path(), out);
            continue;
        }
        if (!S_ISCHR(facts.st_mode) && !S_ISBLK(facts.st_mode)) continue;
        const bool top = directory == "/dev";
        if (top && name == "console") continue;
        if (top && std::find(std::begin(made_anyway), std::end(made_anyway), name) != std::end(made_anyway)) continue;
        out.push_back(node(entry.path(), facts));
    }
}

void add(ContainerDevices& devices, std::string path, const struct stat& facts, std::uint8_t access) {
    devices.rules.push_back({S_ISBLK(facts.st_mode) ? 'b' : 'c', static_cast<std::int64_t>(major(facts.st_rdev)),
                              static_cast<std::int64_t>(minor(facts.st_rdev)), access});
    devices.nodes.push_back(node(std::move(path), facts));
}

// A directory stands for every device below it.
Result<void> add_mapping(ContainerDevices& devices, const DeviceMapping& mapping) {
    const auto refuse = [&](const char* why) {
        return fail(ErrorKind::invalid, "error gathering device information while adding custom device \"" +
                                            mapping.host + "\": " + why);
    };
    const std::string& path = mapping.container.empty() ? mapping.host : mapping.container;
    if (path.empty() || path[0] != '/') return refuse("not a device node");
    const std::uint8_t access = parse_device_access(mapping.permissions.empty() ? "rwm" : mapping.permissions);
    if (access == 0) return fail(ErrorKind::invalid, "invalid device mode: " + mapping.permissions);
    struct stat facts {};
    if (stat(mapping.host.c_str(), &facts) != 0)
        return refuse(errno == ENOENT ? "no such file or directory" : strerror(errno));
    if (is_device(facts)) {
        add(devices, path, facts, access);
        return {};
    }
    if (!S_ISDIR(facts.st_mode)) return refuse("not a device node");
    const std::size_t before = devices.nodes.size();
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(mapping.host, error)) {
        if (lstat(entry.path().c_str(), &facts) != 0 || !is_device(facts)) continue;
        if (devices.nodes.size() - before == kDevicesOfDirectoryMax) return refuse("it holds too many devices");
        add(devices, path + entry.path().string().substr(mapping.host.size()), facts, access);
    }
    return devices.nodes.size() > before ? Result<void>() : refuse("not a device node");
}

}  // namespace

Result<ContainerDevices> container_devices(const ContainerSpec& spec) {
    ContainerDevices devices;
    if (spec.privileged) {
        add_host_devices("/dev", devices.nodes);
        return devices;
    }
    devices.rules = default_device_rules();
    for (const DeviceMapping& mapping : spec.devices) {
        TRY_VOID(add_mapping(devices, mapping));
    }
    for (const std::string& text : spec.device_cgroup_rules) {
        TRY(const DeviceRule rule, parse_device_rule(text));
        devices.rules.push_back(rule);
    }
    return devices;
}

}  // namespace engine::runtime
