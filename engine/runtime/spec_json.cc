#include "engine/runtime/spec_json.h"

#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <set>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

enum class Kind : unsigned char { boolean, integer, string, strings, command, string_map, list, map, structure };

struct Field {
    std::string_view name;
    Kind kind;
    const char* initial;  // what inspect shows when nothing was said; nullptr: nothing
};

constexpr Field kConfig[] = {
    {"Hostname", Kind::string, "\"\""},
    {"Domainname", Kind::string, "\"\""},
    {"User", Kind::string, "\"\""},
    {"AttachStdin", Kind::boolean, "false"},
    {"AttachStdout", Kind::boolean, "false"},
    {"AttachStderr", Kind::boolean, "false"},
    {"ExposedPorts", Kind::map, nullptr},
    {"Tty", Kind::boolean, "false"},
    {"OpenStdin", Kind::boolean, "false"},
    {"StdinOnce", Kind::boolean, "false"},
    {"Env", Kind::strings, "null"},
    {"Cmd", Kind::command, "null"},
    {"Healthcheck", Kind::structure, nullptr},
    {"ArgsEscaped", Kind::boolean, nullptr},
    {"Image", Kind::string, "\"\""},
    {"Volumes", Kind::map, "null"},
    {"WorkingDir", Kind::string, "\"\""},
    {"Entrypoint", Kind::command, "null"},
    {"NetworkDisabled", Kind::boolean, nullptr},
    {"MacAddress", Kind::string, nullptr},
    {"OnBuild", Kind::strings, "null"},
    {"Labels", Kind::string_map, "{}"},
    {"StopSignal", Kind::string, nullptr},
    {"StopTimeout", Kind::integer, nullptr},
    {"Shell", Kind::command, nullptr},
};

constexpr Field kHostConfig[] = {
    {"Binds", Kind::strings, "null"},
    {"ContainerIDFile", Kind::string, "\"\""},
    {"LogConfig", Kind::structure, R"({"Type":"json-file","Config":{}})"},
    {"NetworkMode", Kind::string, "\"bridge\""},
    {"PortBindings", Kind::map, "{}"},
    {"RestartPolicy", Kind::structure, R"({"Name":"no","MaximumRetryCount":0})"},
    {"AutoRemove", Kind::boolean, "false"},
    {"VolumeDriver", Kind::string, "\"\""},
    {"VolumesFrom", Kind::strings, "null"},
    {"ConsoleSize", Kind::list, "[0,0]"},
    {"Annotations", Kind::string_map, nullptr},
    {"CapAdd", Kind::command, "null"},
    {"CapDrop", Kind::command, "null"},
    {"CgroupnsMode", Kind::string, "\"private\""},
    {"Dns", Kind::strings, "[]"},
    {"DnsOptions", Kind::strings, "[]"},
    {"DnsSearch", Kind::strings, "[]"},
    {"ExtraHosts", Kind::strings, "null"},
    {"GroupAdd", Kind::strings, "null"},
    {"IpcMode", Kind::string, "\"private\""},
    {"Cgroup", Kind::string, "\"\""},
    {"Links", Kind::strings, "null"},
    {"OomScoreAdj", Kind::integer, "0"},
    {"PidMode", Kind::string, "\"\""},
    {"Privileged", Kind::boolean, "false"},
    {"PublishAllPorts", Kind::boolean, "false"},
    {"ReadonlyRootfs", Kind::boolean, "false"},
    {"SecurityOpt", Kind::strings, "null"},
    {"StorageOpt", Kind::string_map, nullptr},
    {"Tmpfs", Kind::string_map, nullptr},
    {"UTSMode", Kind::string, "\"\""},
    {"UsernsMode", Kind::string, "\"\""},
    {"ShmSize", Kind::integer, "67108864"},
    {"Sysctls", Kind::string_map, nullptr},
    {"Runtime", Kind::string, "\"runc\""},
    {"Isolation", Kind::string, "\"\""},
    {"CpuShares", Kind::integer, "0"},
    {"Memory", Kind::integer, "0"},
    {"NanoCpus", Kind::integer, "0"},
    {"CgroupParent", Kind::string, "\"\""},
    {"BlkioWeight", Kind::integer, "0"},
    {"BlkioWeightDevice", Kind::list, "[]"},
    {"BlkioDeviceReadBps", Kind::list, "[]"},
    {"BlkioDeviceWriteBps", Kind::list, "[]"},
    {"BlkioDeviceReadIOps", Kind::list, "[]"},
    {"BlkioDeviceWriteIOps", Kind::list, "[]"},
    {"CpuPeriod", Kind::integer, "0"},
    {"CpuQuota", Kind::integer, "0"},
    {"CpuRealtimePeriod", Kind::integer, "0"},
    {"CpuRealtimeRuntime", Kind::integer, "0"},
    {"CpusetCpus", Kind::string, "\"\""},
    {"CpusetMems", Kind::string, "\"\""},
    {"Devices", Kind::list, "[]"},
    {"DeviceCgroupRules", Kind::strings, "null"},
    {"DeviceRequests", Kind::list, "null"},
    {"KernelMemory", Kind::integer, nullptr},
    {"KernelMemoryTCP", Kind::integer, nullptr},
    {"MemoryReservation", Kind::integer, "0"},
    {"MemorySwap", Kind::integer, "0"},
    {"MemorySwappiness", Kind::integer, "null"},
    {"OomKillDisable", Kind::boolean, "false"},
    {"PidsLimit", Kind::integer, "null"},
    {"Ulimits", Kind::list, "[]"},
    {"CpuCount", Kind::integer, "0"},
    {"CpuPercent", Kind::integer, "0"},
    {"IOMaximumIOps", Kind::integer, "0"},
    {"IOMaximumBandwidth", Kind::integer, "0"},
    {"Mounts", Kind::list, nullptr},
    {"Init", Kind::boolean, nullptr},
    {"MaskedPaths", Kind::strings,
     R"(["/proc/asound","/proc/acpi","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats",)"
     R"("/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware",)"
     R"("/sys/devices/virtual/powercap"])"},
    {"ReadonlyPaths", Kind::strings, R"(["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"])"},
};

// By value: a loop over value_unsafe() of a temporary would walk a destroyed object.
simdjson::dom::array array_of(element value) {
    simdjson::dom::array out;
    return value.get(out) == simdjson::SUCCESS ? out : simdjson::dom::array();
}
object object_of(element value) {
    object out;
    return value.get(out) == simdjson::SUCCESS ? out : object();
}

std::string_view type_word(element value) {
    switch (value.type()) {
        case element_type::ARRAY: return "array";
        case element_type::OBJECT: return "object";
        case element_type::STRING: return "string";
        case element_type::BOOL: return "bool";
        case element_type::NULL_VALUE: return "null";
        default: return "number";
    }
}

std::string_view go_type(Kind kind) {
    switch (kind) {
        case Kind::boolean: return "bool";
        case Kind::integer: return "int64";
        case Kind::string: return "string";
        case Kind::strings: return "[]string";
        case Kind::command: return "strslice.StrSlice";
        case Kind::string_map: return "map[string]string";
        case Kind::list: return "[]interface {}";
        case Kind::map: return "map[string]interface {}";
        case Kind::structure: return "struct";
    }
    return "";
}

tl::unexpected<Error> wrong_type(element value, std::string_view where, std::string_view type) {
    std::string message = "invalid JSON: json: cannot unmarshal ";
    message.append(type_word(value));
    // Go names the text of a number that does not fit an integer.
    if (type == "int64" && value.is_number()) message.append(" ").append(simdjson::minify(value));
    message.append(" into Go struct field ").append(where).append(" of type ").append(type);
    return fail(ErrorKind::invalid, std::move(message));
}

bool all_strings(element value, element* wrong) {
    if (value.is_array()) {
        for (element item : array_of(value))
            if (!item.is_string() && !item.is_null()) return *wrong = item, false;
    } else {
        for (auto item : object_of(value))
            if (!item.value.is_string() && !item.value.is_null()) return *wrong = item.value, false;
    }
    return true;
}

Result<void> check_field(element value, const Field& field, std::string_view section) {
    if (value.is_null()) return {};
    std::string where = std::string(section).append(".").append(field.name);
    element wrong = value;
    switch (field.kind) {
        case Kind::boolean:
            if (value.is_bool()) return {};
            break;
        case Kind::integer:
            if (value.is_int64()) return {};
            break;
        case Kind::string:
            if (value.is_string()) return {};
            break;
        case Kind::command:
            if (value.is_string()) return {};
            [[fallthrough]];
        case Kind::strings:
            if (!value.is_array()) break;
            if (all_strings(value, &wrong)) return {};
            return wrong_type(wrong, where, "string");
        case Kind::string_map:
            if (!value.is_object()) break;
            if (all_strings(value, &wrong)) return {};
            return wrong_type(wrong, where, "string");
        case Kind::list:
            if (value.is_array()) return {};
            break;
        case Kind::map:
        case Kind::structure:
            if (value.is_object()) return {};
            break;
    }
    return wrong_type(value, where, go_type(field.kind));
}

// Go takes a field's name in any case.
bool same_name(std::string_view key, std::string_view name) {
    return std::equal(key.begin(), key.end(), name.begin(), name.end(),
                      [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

template <std::size_t N>
Result<void> check_section(object section, const Field (&fields)[N], std::string_view name) {
    for (auto item : section) {
        for (const Field& field : fields) {
            if (!same_name(item.key, field.name)) continue;
            TRY_VOID(check_field(item.value, field, name));
        }
    }
    return {};
}

// The section's text, each field of the table by the table's name, without those in `left_out`.
template <std::size_t N>
std::string canonical(object section, const Field (&fields)[N], std::initializer_list<std::string_view> left_out = {}) {
    json::Writer w;
    w.begin_object();
    for (auto item : section) {
        const auto same = [&](std::string_view name) { return same_name(item.key, name); };
        if (std::any_of(left_out.begin(), left_out.end(), same)) continue;
        const auto* known =
            std::find_if(std::begin(fields), std::end(fields), [&](const Field& f) { return same(f.name); });
        w.field_raw(known == std::end(fields) ? item.key : known->name, std::string(simdjson::minify(item.value)));
    }
    w.end_object();
    return w.take();
}

// The section's text with every field of the table, said or default, and what the table does not know behind it.
template <std::size_t N>
std::string complete(std::string_view json, const Field (&fields)[N], std::string_view hostname) {
    simdjson::dom::parser parser;
    element root{};
    object section;
    bool have = parser.parse(simdjson::padded_string(json)).get(root) == simdjson::SUCCESS &&
                root.get(section) == simdjson::SUCCESS;
    json::Writer w;
    w.begin_object();
    for (const Field& field : fields) {
        element value{};
        bool said = have && section.at_key(field.name).get(value) == simdjson::SUCCESS && !value.is_null();
        bool empty = said && value.is_string() && value.get_string().value_unsafe().empty();
        if (field.name == "Hostname" && (!said || empty)) {
            w.field(field.name, hostname);
        } else if (field.name == "NetworkMode" && said && value.get_string().value_unsafe() == "default") {
            w.field_raw(field.name, field.initial);
        } else if (said && !(empty && field.initial)) {
            w.field_raw(field.name, std::string(simdjson::minify(value)));
        } else if (field.initial) {
            w.field_raw(field.name, field.initial);
        }
    }
    w.end_object();
    return w.take();
}

// Reads of fields whose type check_section has seen; null and missing leave the target alone.
class Reader {
public:
    explicit Reader(object section) : section_(section) {}
    bool find(std::string_view name, element& value) const {
        return section_.at_key_case_insensitive(name).get(value) == simdjson::SUCCESS && !value.is_null();
    }
    void read(std::string_view name, bool& out) const {
        element v{};
        if (find(name, v) && v.is_bool()) out = v.get_bool().value_unsafe();
    }
    void read(std::string_view name, std::int64_t& out) const {
        element v{};
        if (find(name, v) && v.is_int64()) out = v.get_int64().value_unsafe();
    }
    void read(std::string_view name, std::string& out) const {
        element v{};
        if (find(name, v) && v.is_string()) out = std::string(v.get_string().value_unsafe());
    }
    void read(std::string_view name, std::vector<std::string>& out) const {
        element v{};
        if (!find(name, v)) return;
        out.clear();
        if (v.is_string()) out.emplace_back(v.get_string().value_unsafe());
        if (!v.is_array()) return;
        for (element item : array_of(v))
            out.emplace_back(item.is_string() ? item.get_string().value_unsafe() : std::string_view());
    }
    void read(std::string_view name, std::map<std::string, std::string>& out) const {
        element v{};
        if (!find(name, v) || !v.is_object()) return;
        for (auto item : object_of(v))
            out[std::string(item.key)] =
                item.value.is_string() ? std::string(item.value.get_string().value_unsafe()) : std::string();
    }
    void read_keys(std::string_view name, std::vector<std::string>& out) const {
        element v{};
        if (!find(name, v) || !v.is_object()) return;
        for (auto item : object_of(v)) out.emplace_back(item.key);
    }
    template <class T>
    void read(std::string_view name, std::optional<T>& out) const {
        element v{};
        if (!find(name, v)) return;
        T value{};
        read(name, value);
        out = std::move(value);
    }
    bool child(std::string_view name, object& out) const {
        element v{};
        return find(name, v) && v.get(out) == simdjson::SUCCESS;
    }

private:
    object section_;
};

void read_config(object section, ContainerSpec& spec) {
    Reader r(section);
    r.read("Image", spec.image);
    r.read("Cmd", spec.cmd);
    r.read("Entrypoint", spec.entrypoint);
    r.read("Env", spec.env);
    r.read("User", spec.user);
    r.read("WorkingDir", spec.working_dir);
    r.read("Hostname", spec.hostname);
    r.read("Domainname", spec.domainname);
    r.read("Labels", spec.labels);
    r.read_keys("ExposedPorts", spec.exposed_ports);
    r.read_keys("Volumes", spec.volumes);
    r.read("Tty", spec.tty);
    r.read("OpenStdin", spec.open_stdin);
    r.read("StdinOnce", spec.stdin_once);
    r.read("AttachStdin", spec.attach_stdin);
    r.read("AttachStdout", spec.attach_stdout);
    r.read("AttachStderr", spec.attach_stderr);
    r.read("NetworkDisabled", spec.network_disabled);
    r.read("StopSignal", spec.stop_signal);
    r.read("StopTimeout", spec.stop_timeout);
    object health;
    if (r.child("Healthcheck", health)) {
        Reader h(health);
        Healthcheck& check = spec.healthcheck.emplace();
        h.read("Test", check.test);
        h.read("Interval", check.interval);
        h.read("Timeout", check.timeout);
        h.read("StartPeriod", check.start_period);
        h.read("StartInterval", check.start_interval);
        h.read("Retries", check.retries);
    }
}

MountSpec read_mount(object section) {
    Reader r(section);
    MountSpec mount;
    mount.type_name.clear();
    r.read("Type", mount.type_name);
    mount.type = mount.type_name == "bind"     ? MountType::bind
                 : mount.type_name == "tmpfs"  ? MountType::tmpfs
                 : mount.type_name == "volume" ? MountType::volume
                                               : MountType::other;
    r.read("Source", mount.source);
    r.read("Target", mount.target);
    r.read("ReadOnly", mount.read_only);
    object options;
    if (r.child("BindOptions", options)) {
        Reader b(options);
        bool flat = false;
        b.read("Propagation", mount.propagation);
        b.read("NonRecursive", flat);
        b.read("CreateMountpoint", mount.create_source);
        mount.recursive = !flat;
    }
    if (r.child("TmpfsOptions", options)) {
        Reader t(options);
        std::int64_t mode = 0;
        t.read("SizeBytes", mount.tmpfs_size);
        t.read("Mode", mode);
        mount.tmpfs_mode = static_cast<std::uint32_t>(mode & 07777);
    }
    return mount;
}

void read_host_config(object section, ContainerSpec& spec) {
    Reader r(section);
    r.read("ReadonlyRootfs", spec.readonly_rootfs);
    r.read("Privileged", spec.privileged);
    r.read("AutoRemove", spec.auto_remove);
    r.read("PublishAllPorts", spec.publish_all_ports);
    r.read("Init", spec.init);
    r.read("CapAdd", spec.cap_add);
    r.read("CapDrop", spec.cap_drop);
    r.read("SecurityOpt", spec.security_opt);
    r.read("Tmpfs", spec.tmpfs);
    r.read("Binds", spec.binds);
    r.read("Sysctls", spec.sysctls);
    r.read("GroupAdd", spec.group_add);
    r.read("ExtraHosts", spec.extra_hosts);
    r.read("Dns", spec.dns);
    r.read("DnsOptions", spec.dns_options);
    r.read("DnsSearch", spec.dns_search);
    r.read("ShmSize", spec.shm_size);
    r.read("Memory", spec.memory);
    r.read("MemorySwap", spec.memory_swap);
    r.read("MemoryReservation", spec.memory_reservation);
    r.read("CpuShares", spec.cpu_shares);
    r.read("CpuQuota", spec.cpu_quota);
    r.read("CpuPeriod", spec.cpu_period);
    r.read("NanoCpus", spec.nano_cpus);
    r.read("PidsLimit", spec.pids_limit);
    element said{};
    spec.pids_limit_said = r.find("PidsLimit", said);
    r.read("CpuRealtimePeriod", spec.cpu_realtime_period);
    r.read("CpuRealtimeRuntime", spec.cpu_realtime_runtime);
    r.read("KernelMemory", spec.kernel_memory);
    r.read("MemorySwappiness", spec.memory_swappiness);
    r.read("BlkioWeight", spec.blkio_weight);
    r.read("CpusetCpus", spec.cpuset_cpus);
    r.read("CpusetMems", spec.cpuset_mems);
    r.read("CgroupParent", spec.cgroup_parent);
    r.read("NetworkMode", spec.network_mode);
    r.read("IpcMode", spec.ipc_mode);
    r.read("PidMode", spec.pid_mode);
    r.read("UTSMode", spec.uts_mode);
    r.read("UsernsMode", spec.userns_mode);
    r.read("CgroupnsMode", spec.cgroupns_mode);
    r.read("Runtime", spec.runtime);
    r.read("Isolation", spec.isolation);
    r.read("OomScoreAdj", spec.oom_score_adj);
    r.read("OomKillDisable", spec.oom_kill_disable);
    r.read("MaskedPaths", spec.masked_paths);
    r.read("ReadonlyPaths", spec.readonly_paths);
    object part{};
    if (r.child("LogConfig", part)) {
        Reader(part).read("Type", spec.log.type);
        Reader(part).read("Config", spec.log.options);
    }
    if (r.child("RestartPolicy", part)) {
        Reader(part).read("Name", spec.restart.name);
        Reader(part).read("MaximumRetryCount", spec.restart.maximum_retry_count);
    }
    element list{};
    if (r.find("ConsoleSize", list) && list.is_array()) {
        unsigned* const sides[] = {&spec.console_rows, &spec.console_columns};
        std::size_t side = 0;
        for (element item : array_of(list)) {
            std::uint64_t value = 0;
            if (side < std::size(sides) && item.get(value) == simdjson::SUCCESS && value <= USHRT_MAX)
                *sides[side] = static_cast<unsigned>(value);
            ++side;
        }
    }
    if (r.find("Ulimits", list) && list.is_array()) {
        for (element item : array_of(list)) {
            if (item.get(part) != simdjson::SUCCESS) continue;
            Ulimit& limit = spec.ulimits.emplace_back();
            Reader(part).read("Name", limit.name);
            Reader(part).read("Soft", limit.soft);
            Reader(part).read("Hard", limit.hard);
        }
    }
    r.read("DeviceCgroupRules", spec.device_cgroup_rules);
    if (r.find("Devices", list) && list.is_array()) {
        for (element item : array_of(list)) {
            if (item.get(part) != simdjson::SUCCESS) continue;
            DeviceMapping& device = spec.devices.emplace_back();
            Reader(part).read("PathOnHost", device.host);
            Reader(part).read("PathInContainer", device.container);
            Reader(part).read("CgroupPermissions", device.permissions);
        }
    }
    if (r.find("Mounts", list) && list.is_array()) {
        for (element item : array_of(list))
            if (item.get(part) == simdjson::SUCCESS) spec.mounts.push_back(read_mount(part));
    }
}

Result<object> parse_object(simdjson::dom::parser& parser, std::string_view text,
                            std::string_view type = "container.CreateRequest") {
    element root{};
    if (auto error = parser.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, std::string("invalid JSON: ").append(simdjson::error_message(error)));
    object result;
    if (root.get(result) != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, std::string("invalid JSON: json: cannot unmarshal ")
                                            .append(type_word(root))
                                            .append(" into Go value of type ")
                                            .append(type));
    return result;
}

Result<void> section_object(const Reader& r, std::string_view name, object& out, bool& found) {
    element value{};
    found = r.find(name, value);
    if (found && value.get(out) != simdjson::SUCCESS)
        return wrong_type(value, std::string("CreateRequest.").append(name), std::string("container.").append(name));
    return {};
}

Result<void> read_sections(object host, bool have_host, object config, ContainerSpec& spec) {
    TRY_VOID(check_section(config, kConfig, "CreateRequest.Config"));
    read_config(config, spec);
    if (!have_host) return {};
    TRY_VOID(check_section(host, kHostConfig, "CreateRequest.HostConfig"));
    read_host_config(host, spec);
    spec.host_config_json = canonical(host, kHostConfig);
    return {};
}

}  // namespace

Result<ContainerSpec> parse_create_body(std::string_view body) {
    if (body.size() > kCreateBodyBytes) return fail(ErrorKind::too_large, "request body too large");
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
    simdjson::dom::parser parser;
    TRY(object root, parse_object(parser, body));
    ContainerSpec spec;
    Reader r(root);
    object host, network;
    bool have_host = false, have_network = false;
    TRY_VOID(section_object(r, "HostConfig", host, have_host));
    TRY_VOID(section_object(r, "NetworkingConfig", network, have_network));
    TRY_VOID(read_sections(host, have_host, root, spec));
    if (have_network) spec.networking_config_json = simdjson::minify(network);
    spec.config_json = canonical(root, kConfig, {"HostConfig", "NetworkingConfig"});
    return spec;
}

Result<ContainerSpec> parse_update_body(std::string_view body) {
    if (body.size() > kCreateBodyBytes) return fail(ErrorKind::too_large, "request body too large");
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
    simdjson::dom::parser parser;
    TRY(object root, parse_object(parser, body, "container.UpdateConfig"));
    TRY_VOID(check_section(root, kHostConfig, "UpdateConfig"));
    ContainerSpec spec;
    read_host_config(root, spec);
    element ports{};
    if (Reader(root).find("PortBindings", ports) && ports.is_object())
        set_host_config(spec, {{"PortBindings", std::string(simdjson::minify(ports))}});
    return spec;
}

void set_host_config(ContainerSpec& spec, const HostConfigFields& fields) {
    simdjson::dom::parser parser;
    const std::string before = std::move(spec.host_config_json);
    auto known = parse_object(parser, before);
    json::Writer w;
    w.begin_object();
    if (known) {
        for (auto item : *known)
            if (!fields.contains(std::string(item.key)))
                w.field_raw(item.key, std::string(simdjson::minify(item.value)));
    }
    for (const auto& [name, value] : fields) w.field_raw(name, value);
    w.end_object();
    spec.host_config_json = w.take();
}

Result<void> merge_image_config(ContainerSpec& spec, std::string_view image_config) {
    if (image_config.empty() || image_config == "null") return {};
    simdjson::dom::parser parser;
    TRY(object section, parse_object(parser, image_config));
    TRY_VOID(check_section(section, kConfig, "CreateRequest.Config"));
    ContainerSpec image;
    read_config(section, image);

    if (spec.user.empty()) spec.user = image.user;
    if (spec.working_dir.empty()) spec.working_dir = image.working_dir;
    if (spec.stop_signal.empty()) spec.stop_signal = image.stop_signal;
    if (!spec.stop_timeout) spec.stop_timeout = image.stop_timeout;
    if (!spec.healthcheck) spec.healthcheck = image.healthcheck;
    if (spec.entrypoint.empty()) {
        if (spec.cmd.empty()) spec.cmd = image.cmd;
        // [""] in the body empties the image's entrypoint; a missing one takes it.
        spec.entrypoint = image.entrypoint;
    } else if (spec.entrypoint.size() == 1 && spec.entrypoint[0].empty()) {
        spec.entrypoint.clear();
    }
    std::set<std::string> names;
    for (const std::string& variable : spec.env) names.insert(variable.substr(0, variable.find('=')));
    for (std::string& variable : image.env)
        if (!names.contains(variable.substr(0, variable.find('=')))) spec.env.push_back(std::move(variable));
    spec.labels.merge(image.labels);
    auto join = [](std::vector<std::string>& into, const std::vector<std::string>& from) {
        for (const std::string& item : from)
            if (std::find(into.begin(), into.end(), item) == into.end()) into.push_back(item);
    };
    join(spec.exposed_ports, image.exposed_ports);
    join(spec.volumes, image.volumes);

    static constexpr std::string_view kMerged[] = {"User",       "WorkingDir", "StopSignal", "StopTimeout",
                                                   "Entrypoint", "Cmd",        "Env",        "Labels",
                                                   "ExposedPorts", "Volumes",  "Healthcheck"};
    simdjson::dom::parser own_parser;
    std::string own_text = spec.config_json;
    TRY(object own, parse_object(own_parser, own_text));
    json::Writer w;
    w.begin_object();
    for (auto item : own)
        if (std::find(std::begin(kMerged), std::end(kMerged), item.key) == std::end(kMerged))
            w.field_raw(item.key, std::string(simdjson::minify(item.value)));
    w.field("User", spec.user)
        .field("WorkingDir", spec.working_dir)
        .field("Env", spec.env)
        .field("Labels", spec.labels);
    if (!spec.stop_signal.empty()) w.field("StopSignal", spec.stop_signal);
    if (spec.stop_timeout) w.field("StopTimeout", *spec.stop_timeout);
    if (!spec.cmd.empty()) w.field("Cmd", spec.cmd);
    if (!spec.entrypoint.empty()) w.field("Entrypoint", spec.entrypoint);
    auto set = [&w](std::string_view name, const std::vector<std::string>& keys) {
        if (keys.empty()) return;
        w.key(name).begin_object();
        for (const std::string& key : keys) w.key(key).begin_object().end_object();
        w.end_object();
    };
    set("ExposedPorts", spec.exposed_ports);
    set("Volumes", spec.volumes);
    element health{};
    if (Reader(own).find("Healthcheck", health) || Reader(section).find("Healthcheck", health))
        w.field_raw("Healthcheck", std::string(simdjson::minify(health)));
    w.end_object();
    spec.config_json = w.take();
    return {};
}

std::string spec_text(const ContainerSpec& spec) {
    json::Writer w;
    w.begin_object().field_raw("Config", spec.config_json).field_raw("HostConfig", spec.host_config_json);
    w.field_raw("NetworkingConfig", spec.networking_config_json).end_object();
    return w.take();
}

Result<ContainerSpec> parse_spec(std::string_view text) {
    simdjson::dom::parser parser;
    TRY(object root, parse_object(parser, text));
    ContainerSpec spec;
    Reader r(root);
    object config, host, network;
    if (!r.child("Config", config)) return fail(ErrorKind::internal, "stored spec has no Config");
    bool have_host = r.child("HostConfig", host);
    TRY_VOID(read_sections(host, have_host, config, spec));
    spec.config_json = simdjson::minify(config);
    if (r.child("NetworkingConfig", network)) spec.networking_config_json = simdjson::minify(network);
    return spec;
}

void store_log_config(ContainerSpec& spec) {
    simdjson::dom::parser parser;
    object host{};
    json::Writer w;
    w.begin_object();
    const std::string& text = spec.host_config_json;
    if (parser.parse(text.data(), text.size()).get(host) == simdjson::SUCCESS)
        for (const auto field : host)
            if (field.key != "LogConfig") w.field_raw(field.key, std::string(simdjson::minify(field.value)));
    w.key("LogConfig").begin_object().field("Type", spec.log.type).field("Config", spec.log.options).end_object();
    spec.host_config_json = w.end_object().take();
}

std::string complete_host_config(const ContainerSpec& spec) { return complete(spec.host_config_json, kHostConfig, ""); }
std::string complete_config(const ContainerSpec& spec, std::string_view hostname) {
    return complete(spec.config_json, kConfig, hostname);
}

}  // namespace engine::runtime
