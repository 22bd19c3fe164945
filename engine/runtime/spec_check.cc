#include "engine/runtime/spec_check.h"

#include <simdjson.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/log_options.h"
#include "engine/runtime/linux/device_rules.h"
#include "engine/runtime/mount_spec.h"
#include "engine/runtime/restart_policy.h"
#include "engine/runtime/signal_number.h"

namespace engine::runtime {
namespace {

tl::unexpected<Error> bad(std::string message) { return fail(ErrorKind::invalid, std::move(message)); }

Result<void> check_config(const ContainerSpec& spec) {
    if (!spec.working_dir.empty() && spec.working_dir[0] != '/')
        return bad("the working directory '" + spec.working_dir + "' is invalid, it needs to be an absolute path");
    for (const std::string& variable : spec.env)
        if (variable.empty() || variable[0] == '=') return bad("invalid environment variable: " + variable);
    if (!spec.stop_signal.empty()) {
        TRY_VOID(signal_number(spec.stop_signal));
    }
    return {};
}

Result<void> check_security_option(const std::string& option) {
    if (option == "no-new-privileges") return {};
    const std::size_t split = option.find_first_of("=:");
    if (split == std::string::npos) return bad("invalid --security-opt 1: \"" + option + "\"");
    const std::string name = option.substr(0, split);
    const std::string value = option.substr(split + 1);
    if (name == "no-new-privileges") {
        static constexpr std::string_view booleans[] = {"true", "false", "1",    "0",     "t",    "f",
                                                        "T",    "F",     "TRUE", "FALSE", "True", "False"};
        if (std::find(std::begin(booleans), std::end(booleans), value) != std::end(booleans)) return {};
        return bad("invalid --security-opt 2: \"" + option + "\"");
    }
    if (name == "apparmor" || name == "label") return {};
    if (name != "seccomp") return bad("invalid --security-opt 2: \"" + option + "\"");
    if (value == "unconfined" || value == "builtin") return {};
    simdjson::dom::parser parser;
    simdjson::dom::object profile;
    if (parser.parse(value.data(), value.size()).get(profile) != simdjson::SUCCESS)
        return bad("Decoding seccomp profile failed: it is not a JSON object");
    return {};
}

Result<void> check_ulimits(const ContainerSpec& spec) {
    static constexpr std::string_view known[] = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                                 "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                                 "rtprio",  "rttime",   "sigpending", "stack"};
    for (const Ulimit& limit : spec.ulimits) {
        if (std::find(std::begin(known), std::end(known), limit.name) == std::end(known))
            return bad("invalid ulimit type: " + limit.name);
        if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
            return bad("ulimit soft limit must be less than or equal to hard limit: " + std::to_string(limit.soft) +
                       " > " + std::to_string(limit.hard));
    }
    return {};
}

Result<void> check_modes(const ContainerSpec& spec) {
    const auto shares = [](const std::string& mode) { return mode.starts_with("container:"); };
    static constexpr std::string_view ipc[] = {"", "none", "private", "shareable", "host"};
    if (!shares(spec.ipc_mode) && std::find(std::begin(ipc), std::end(ipc), spec.ipc_mode) == std::end(ipc))
        return bad("invalid IPC mode: " + spec.ipc_mode);
    if (!shares(spec.pid_mode) && !spec.pid_mode.empty() && spec.pid_mode != "host")
        return bad("invalid PID mode: " + spec.pid_mode);
    if (!spec.uts_mode.empty() && spec.uts_mode != "host") return bad("invalid UTS mode: " + spec.uts_mode);
    if (!spec.cgroupns_mode.empty() && spec.cgroupns_mode != "private" && spec.cgroupns_mode != "host")
        return bad("invalid cgroup namespace mode: " + spec.cgroupns_mode);
    if (!spec.userns_mode.empty() && spec.userns_mode != "host")
        return bad("invalid user namespace mode: " + spec.userns_mode);
    // Bodies written for dockerd's default are taken.
    if (!spec.runtime.empty() && spec.runtime != "dockercd" && spec.runtime != "runc")
        return bad("unknown or invalid runtime name: " + spec.runtime);
    if (!spec.isolation.empty() && spec.isolation != "default")
        return bad("invalid isolation '" + spec.isolation + "' on linux");
    return {};
}

Result<void> check_host_config(const ContainerSpec& spec) {
    if (spec.shm_size < 0) return bad("SHM size can not be less than 0");
    if (spec.oom_score_adj < -1000 || spec.oom_score_adj > 1000)
        return bad("Invalid value " + std::to_string(spec.oom_score_adj) +
                   ", range for oom score adj is [-1000, 1000]");
    for (const std::string& host : spec.extra_hosts) {
        const std::size_t split = host.find_first_of(":=");
        if (split == std::string::npos || split == 0) return bad("bad format for add-host: \"" + host + "\"");
    }
    if (spec.auto_remove && has_restart_policy(spec.restart))
        return bad("can't create 'AutoRemove' container with restart policy");
    TRY_VOID(check_restart_policy(spec.restart));
    auto capabilities = container_capabilities(spec.cap_add, spec.cap_drop, spec.privileged);
    if (!capabilities) return tl::unexpected<Error>(std::move(capabilities.error()));
    for (const std::string& option : spec.security_opt) {
        TRY_VOID(check_security_option(option));
    }
    for (const std::string& rule : spec.device_cgroup_rules) {
        TRY_VOID(parse_device_rule(rule));
    }
    TRY_VOID(check_ulimits(spec));
    TRY(const auto log, log_settings(spec.log));
    if (log.kind != LogDriverKind::none) {
        TRY(const auto attributes, log_attributes(spec, {}));
    }
    TRY_VOID(check_modes(spec));
    return check_mounts(spec);
}

// Fields of HostConfig that are kept and shown only, and when they ask for something.
struct Unheeded {
    std::string_view field;
    std::string_view what;
};
constexpr Unheeded unheeded[] = {
    {"VolumesFrom", "volumes of other containers"},
    {"DeviceRequests", "device requests"},
    {"StorageOpt", "storage options"},
    {"BlkioWeightDevice", "block I/O weights of devices"},
    {"BlkioDeviceReadBps", "block I/O limits"},
    {"BlkioDeviceWriteBps", "block I/O limits"},
    {"BlkioDeviceReadIOps", "block I/O limits"},
    {"BlkioDeviceWriteIOps", "block I/O limits"},
    {"CpuRealtimePeriod", "CPU real-time limits"},
    {"CpuRealtimeRuntime", "CPU real-time limits"},
    {"KernelMemoryTCP", "the kernel TCP memory limit"},
    {"CgroupParent", "the parent control group"},
};

bool asks_for_something(simdjson::dom::element value) {
    using simdjson::dom::element_type;
    switch (value.type()) {
        case element_type::NULL_VALUE: return false;
        case element_type::BOOL: return value.get_bool().value_unsafe();
        case element_type::STRING: return !value.get_string().value_unsafe().empty();
        case element_type::INT64: return value.get_int64().value_unsafe() > 0;
        case element_type::ARRAY: return value.get_array().value_unsafe().size() > 0;
        case element_type::OBJECT: return value.get_object().value_unsafe().size() > 0;
        default: return true;
    }
}

}  // namespace

std::int64_t parse_ram_size(std::string_view text) {
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{} || !(number >= 0)) return -1;  // "nan" is a number to from_chars
    std::string unit(parsed.ptr, text.data() + text.size());
    for (char& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (unit.starts_with(' ')) unit.erase(0, 1);
    if (unit.ends_with("ib")) unit.erase(unit.size() - 2);
    if (unit.ends_with("b")) unit.erase(unit.size() - 1);
    static constexpr std::string_view units = "kmgtp";
    const std::size_t power = units.find(unit);
    if (unit.size() > 1 || power == std::string_view::npos) return -1;
    for (std::size_t i = 0; i < power + unit.size(); ++i) number *= 1024;
    return number < 9e18 ? static_cast<std::int64_t>(number) : -1;
}

Result<void> check_spec(const ContainerSpec& spec) {
    TRY_VOID(check_config(spec));
    return check_host_config(spec);
}

std::vector<std::string> spec_warnings(const ContainerSpec& spec) {
    std::vector<std::string> out;
    const auto warn = [&out](std::string_view what) {
        std::string text = "This engine does not act upon " + std::string(what) + " yet";
        if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
    };
    simdjson::dom::parser parser;
    simdjson::dom::element host;
    if (parser.parse(spec.host_config_json.data(), spec.host_config_json.size()).get(host) == simdjson::SUCCESS) {
        for (const Unheeded& each : unheeded) {
            simdjson::dom::element value;
            if (host[each.field].get(value) == simdjson::SUCCESS && asks_for_something(value)) warn(each.what);
        }
    }
    for (const MountSpec& mount : mounts_of(spec))
        if (mount.type == MountType::volume) warn("volumes");
    if (!spec.volumes.empty()) warn("volumes");
    if (spec.healthcheck && !spec.healthcheck->test.empty() && spec.healthcheck->test[0] != "NONE")
        warn("health checks");
    for (const std::string* mode : {&spec.ipc_mode, &spec.pid_mode})
        if (mode->starts_with("container:")) warn("namespaces of other containers");
    return out;
}

}  // namespace engine::runtime
