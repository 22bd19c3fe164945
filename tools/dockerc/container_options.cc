#include "tools/dockerc/container_options.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

using engine::ErrorKind;
using engine::fail;
using engine::json::Writer;

// "NAME=value", or "NAME" alone taken from our own environment; when it is not there, the engine takes it away.
void add_env(std::vector<std::string>& out, const std::string& entry) {
    const char* value = entry.find('=') == std::string::npos ? std::getenv(entry.c_str()) : nullptr;
    out.push_back(value == nullptr ? entry : entry + "=" + value);
}

}  // namespace

Result<std::vector<std::string>> environment(const std::vector<std::string>& files,
                                             const std::vector<std::string>& entries) {
    std::vector<std::string> out;
    for (const std::string& path : files) {
        std::ifstream file(path);
        if (!file) return fail(ErrorKind::not_found, "open " + path + ": no such file or directory");
        for (std::string line; std::getline(file, line);) {
            line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
            if (!line.empty() && line.back() == '\r') line.pop_back();
            if (!line.empty() && line[0] != '#') add_env(out, line);
        }
    }
    for (const std::string& entry : entries) add_env(out, entry);
    return out;
}

namespace {

// "key=value" entries as an object; no "=" is an empty value.
void write_pairs(Writer& json, std::string_view name, const std::vector<std::string>& pairs, char separator) {
    if (pairs.empty()) return;
    std::map<std::string, std::string> object;
    for (const std::string& pair : pairs) {
        const std::size_t at = pair.find(separator);
        object[pair.substr(0, at)] = at == std::string::npos ? "" : pair.substr(at + 1);
    }
    json.field(name, object);
}

Result<void> write_mount(Writer& json, const std::string& text) {
    std::map<std::string, std::string> fields{{"type", "volume"}};
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string field = text.substr(at, end - at);
        const std::size_t equal = field.find('=');
        fields[field.substr(0, equal)] = equal == std::string::npos ? "true" : field.substr(equal + 1);
        at = end + 1;
    }
    const auto first = [&fields](std::initializer_list<const char*> names) -> std::string {
        for (const char* name : names)
            if (const auto found = fields.find(name); found != fields.end()) return found->second;
        return {};
    };
    const std::string target = first({"target", "destination", "dst"}), source = first({"source", "src"});
    if (target.empty())
        return fail(ErrorKind::invalid, "invalid argument \"" + text + "\" for \"--mount\" flag: target is required");
    const std::string read_only = first({"readonly", "ro"});
    json.begin_object().field("Type", fields["type"]);
    if (!source.empty()) json.field("Source", source);
    json.field("Target", target);
    if (read_only == "true" || read_only == "1") json.field("ReadOnly", true);
    if (const std::string propagation = first({"bind-propagation"}); !propagation.empty())
        json.key("BindOptions").begin_object().field("Propagation", propagation).end_object();
    if (const std::string size = first({"tmpfs-size"}); !size.empty()) {
        TRY(const auto bytes, parse_bytes(size));
        json.key("TmpfsOptions").begin_object().field("SizeBytes", bytes).end_object();
    }
    json.end_object();
    return {};
}

Result<void> write_ulimits(Writer& json, const std::vector<std::string>& ulimits) {
    if (ulimits.empty()) return {};
    json.key("Ulimits").begin_array();
    for (const std::string& text : ulimits) {
        const std::size_t equal = text.find('='), colon = text.find(':');
        if (equal == std::string::npos) return fail(ErrorKind::invalid, "invalid ulimit argument: " + text);
        const std::string soft = text.substr(equal + 1, colon == std::string::npos ? colon : colon - equal - 1);
        const std::string hard = colon == std::string::npos ? soft : text.substr(colon + 1);
        json.begin_object().field("Name", text.substr(0, equal));
        json.field("Soft", std::atoll(soft.c_str())).field("Hard", std::atoll(hard.c_str())).end_object();
    }
    json.end_array();
    return {};
}

// "seccomp=profile.json" is read here: the engine takes the profile's text.
Result<std::vector<std::string>> security_options(const std::vector<std::string>& options) {
    std::vector<std::string> out;
    for (const std::string& option : options) {
        if (!option.starts_with("seccomp=") || option == "seccomp=unconfined" || option == "seccomp=builtin") {
            out.push_back(option);
            continue;
        }
        const std::string path = option.substr(8);
        std::ifstream file(path);
        if (!file)
            return fail(ErrorKind::not_found,
                        "opening seccomp profile (" + path + ") failed: open " + path + ": no such file or directory");
        out.push_back("seccomp=" + std::string(std::istreambuf_iterator<char>(file), {}));
    }
    return out;
}

Result<void> write_host_config(Writer& json, const ContainerOptions& options) {
    json.key("HostConfig").begin_object();
    std::vector<std::string> binds;
    for (const std::string& volume : options.volumes) {
        if (volume.find(':') == std::string::npos) continue;
        if (volume[0] != '.') {
            binds.push_back(volume);
            continue;
        }
        const std::size_t colon = volume.find(':');
        char* full = ::realpath(volume.substr(0, colon).c_str(), nullptr);
        binds.push_back(full == nullptr ? volume : full + volume.substr(colon));
        std::free(full);
    }
    if (!binds.empty()) json.field("Binds", binds);
    if (!options.mounts.empty()) {
        json.key("Mounts").begin_array();
        for (const std::string& mount : options.mounts) {
            TRY_VOID(write_mount(json, mount));
        }
        json.end_array();
    }
    json.field("NetworkMode", options.network.empty() ? "default" : options.network);
    TRY_VOID(write_network_host_config(json, options.networking));
    json.field("AutoRemove", options.remove).field("Privileged", options.privileged);
    json.field("ReadonlyRootfs", options.read_only);
    if (!options.cap_add.empty()) json.field("CapAdd", options.cap_add);
    if (!options.cap_drop.empty()) json.field("CapDrop", options.cap_drop);
    TRY(const auto security, security_options(options.security_opts));
    if (!security.empty()) json.field("SecurityOpt", security);
    write_pairs(json, "Tmpfs", options.tmpfs, ':');
    if (!options.memory.empty()) {
        TRY(const auto bytes, parse_bytes(options.memory));
        json.field("Memory", bytes);
    }
    if (options.memory_swap == "-1") {
        json.field("MemorySwap", -1);
    } else if (!options.memory_swap.empty()) {
        TRY(const auto bytes, parse_bytes(options.memory_swap));
        json.field("MemorySwap", bytes);
    }
    if (!options.shm_size.empty()) {
        TRY(const auto bytes, parse_bytes(options.shm_size));
        json.field("ShmSize", bytes);
    }
    if (!options.memory_reservation.empty()) {
        TRY(const auto bytes, parse_bytes(options.memory_reservation));
        json.field("MemoryReservation", bytes);
    }
    const auto number = [&json](const char* name, const std::optional<std::int64_t>& value) {
        if (value) json.field(name, *value);
    };
    number("CpuPeriod", options.cpu_period);
    number("CpuQuota", options.cpu_quota);
    number("BlkioWeight", options.blkio_weight);
    number("MemorySwappiness", options.memory_swappiness);
    if (!options.cpuset_cpus.empty()) json.field("CpusetCpus", options.cpuset_cpus);
    if (!options.cpuset_mems.empty()) json.field("CpusetMems", options.cpuset_mems);
    if (options.oom_kill_disable) json.field("OomKillDisable", true);
    if (options.init) json.field("Init", true);
    if (!options.restart.empty()) {
        TRY(const std::string policy, restart_policy_json(options.restart));
        json.field_raw("RestartPolicy", policy);
    }
    if (!options.cidfile.empty()) json.field("ContainerIDFile", options.cidfile);
    if (!options.cpus.empty()) {
        TRY(const auto nano, parse_nano_cpus(options.cpus));
        json.field("NanoCpus", nano);
    }
    if (!options.cpu_shares.empty()) json.field("CpuShares", std::atoll(options.cpu_shares.c_str()));
    if (!options.pids_limit.empty()) json.field("PidsLimit", std::atoll(options.pids_limit.c_str()));
    TRY_VOID(write_ulimits(json, options.ulimits));
    if (!options.log_driver.empty() || !options.log_opts.empty()) {
        json.key("LogConfig").begin_object().field("Type", options.log_driver);
        write_pairs(json, "Config", options.log_opts, '=');
        json.end_object();
    }
    json.end_object();
    return {};
}

// Pulls as docker does when the engine says it has no such image: the progress goes to stderr.
Result<void> pull(Client& client, const std::string& image) {
    const DisplayReference reference = display_reference(image);
    const std::string tag = reference.tag == "<none>" ? "latest" : reference.tag;
    std::fprintf(stderr, "Unable to find image '%s:%s' locally\n", reference.repository.c_str(), tag.c_str());
    Query query;
    query.add("fromImage", reference.repository).add("tag", tag);
    TRY(const std::string progress, client.call("POST", "/images/create" + query.text()));
    for (std::size_t at = 0; at < progress.size();) {
        const std::size_t end = std::min(progress.find('\n', at), progress.size());
        JsonDocument line;
        if (line.parse(std::string_view(progress).substr(at, end - at))) {
            if (const std::string error = json_text(line.root(), "error"); !error.empty())
                return fail(ErrorKind::internal, error);
            std::fprintf(stderr, "%s\n", json_text(line.root(), "status").c_str());
        }
        at = end + 1;
    }
    return {};
}

}  // namespace

Result<std::string> restart_policy_json(const std::string& text) {
    const std::size_t colon = text.find(':');
    std::int64_t count = 0;
    if (colon != std::string::npos) {
        const char* begin = text.data() + colon + 1;
        const auto parsed = std::from_chars(begin, text.data() + text.size(), count);
        if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || colon == 0)
            return fail(ErrorKind::invalid,
                        colon == 0 ? "invalid restart policy format: no policy provided before colon"
                                   : "invalid restart policy format: maximum retry count must be an integer");
    }
    Writer json;
    json.begin_object().field("Name", text.substr(0, colon)).field("MaximumRetryCount", count).end_object();
    return json.take();
}

void add_container_options(CommandLine& line, ContainerOptions& o, bool run) {
    OptionParser& app = line.app;
    app.add_flag("-i,--interactive", o.interactive, "Keep STDIN open even if not attached");
    app.add_flag("-t,--tty", o.tty, "Allocate a pseudo-TTY");
    app.add_flag("--rm", o.remove, "Automatically remove the container when it exits");
    if (run) {
        app.add_flag("-d,--detach", o.detach, "Run container in background and print container ID");
        app.add_flag("--sig-proxy", o.sig_proxy, "Proxy received signals to the process");
        app.add_option("--detach-keys", o.detach_keys, "Override the key sequence for detaching a container");
    }
    app.add_option("--name", o.name, "Assign a name to the container");
    line.list("-e,--env", o.env, "Set environment variables");
    line.list("--env-file", o.env_files, "Read in a file of environment variables");
    app.add_option("-w,--workdir", o.workdir, "Working directory inside the container");
    app.add_option("-u,--user", o.user, "Username or UID (format: <name|uid>[:<group|gid>])");
    app.add_option("--entrypoint", o.entrypoint, "Overwrite the default ENTRYPOINT of the image");
    app.add_option("-h,--hostname", o.hostname, "Container host name");
    app.add_option("-m,--memory", o.memory, "Memory limit");
    app.add_option("--memory-swap", o.memory_swap, "Swap limit equal to memory plus swap");
    app.add_option("-c,--cpu-shares", o.cpu_shares, "CPU shares (relative weight)");
    app.add_option("--cpus", o.cpus, "Number of CPUs");
    app.add_option("--cpu-period", o.cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period");
    app.add_option("--cpu-quota", o.cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota");
    app.add_option("--cpuset-cpus", o.cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)");
    app.add_option("--cpuset-mems", o.cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)");
    app.add_option("--memory-reservation", o.memory_reservation, "Memory soft limit");
    app.add_option("--memory-swappiness", o.memory_swappiness, "Tune container memory swappiness (0 to 100)");
    app.add_flag("--oom-kill-disable", o.oom_kill_disable, "Disable OOM Killer");
    app.add_option("--blkio-weight", o.blkio_weight, "Block IO (relative weight), between 10 and 1000");
    app.add_option("--restart", o.restart, "Restart policy to apply when a container exits");
    app.add_flag("--init", o.init, "Run an init inside the container that forwards signals and reaps processes");
    app.add_option("--pids-limit", o.pids_limit, "Tune container pids limit (set -1 for unlimited)");
    line.list("-v,--volume", o.volumes, "Bind mount a volume");
    line.list("--mount", o.mounts, "Attach a filesystem mount to the container");
    app.add_option("--network,--net", o.network, "Connect a container to a network");
    add_network_options(line, o.networking);
    line.list("-l,--label", o.labels, "Set meta data on a container");
    app.add_option("--cidfile", o.cidfile, "Write the container ID to the file");
    app.add_flag("--read-only", o.read_only, "Mount the container's root filesystem as read only");
    line.list("--cap-add", o.cap_add, "Add Linux capabilities");
    line.list("--cap-drop", o.cap_drop, "Drop Linux capabilities");
    line.list("--security-opt", o.security_opts, "Security Options");
    app.add_flag("--privileged", o.privileged, "Give extended privileges to this container");
    line.list("--tmpfs", o.tmpfs, "Mount a tmpfs directory");
    app.add_option("--shm-size", o.shm_size, "Size of /dev/shm");
    line.list("--ulimit", o.ulimits, "Ulimit options");
    app.add_option("--stop-signal", o.stop_signal, "Signal to stop the container");
    app.add_option("--stop-timeout", o.stop_timeout, "Timeout (in seconds) to stop a container");
    app.add_option("--log-driver", o.log_driver, "Logging driver for the container");
    line.list("--log-opt", o.log_opts, "Log driver options");
}

Result<std::string> create_body(const ContainerOptions& o) {
    Writer json;
    json.begin_object();
    json.field("Hostname", o.hostname).field("User", o.user);
    json.field("AttachStdin", o.interactive && !o.detach);
    json.field("AttachStdout", !o.detach).field("AttachStderr", !o.detach);
    json.field("Tty", o.tty).field("OpenStdin", o.interactive).field("StdinOnce", o.interactive && !o.detach);
    TRY(const auto env, environment(o.env_files, o.env));
    json.field("Env", env);
    if (o.command.empty())
        json.field_null("Cmd");
    else
        json.field("Cmd", o.command);
    json.field("Image", o.image).field("WorkingDir", o.workdir);
    if (o.entrypoint) json.field("Entrypoint", std::vector<std::string>{*o.entrypoint});
    bool anonymous = false;
    for (const std::string& volume : o.volumes) {
        if (volume.find(':') != std::string::npos) continue;
        if (!anonymous) json.key("Volumes").begin_object();
        anonymous = true;
        json.key(volume).begin_object().end_object();
    }
    if (anonymous) json.end_object();
    write_pairs(json, "Labels", o.labels, '=');
    TRY_VOID(write_network_config(json, o.networking));
    if (!o.stop_signal.empty()) json.field("StopSignal", o.stop_signal);
    if (o.stop_timeout) json.field("StopTimeout", *o.stop_timeout);
    TRY_VOID(write_host_config(json, o));
    write_networking_config(json, o.networking, o.network);
    json.end_object();
    return json.take();
}

Result<std::string> create_container(Client& client, const ContainerOptions& options) {
    UniqueFd cidfile;
    if (!options.cidfile.empty()) {
        cidfile.reset(::open(options.cidfile.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (!cidfile && errno == EEXIST)
            return fail(ErrorKind::conflict, "container ID file found, make sure the other container isn't running "
                                             "or delete " + options.cidfile);
        if (!cidfile) return engine::fail_errno(errno, "failed to create the container ID file");
    }
    TRY(const std::string body, create_body(options));
    Query query;
    query.add("name", options.name);
    const std::string path = "/containers/create" + query.text();
    auto made = client.call("POST", path, body);
    if (!made && made.error().kind() == ErrorKind::not_found &&
        made.error().message().find("No such image") != std::string::npos) {
        TRY_VOID(pull(client, options.image));
        made = client.call("POST", path, body);
    }
    if (!made) {
        if (cidfile) ::unlink(options.cidfile.c_str());
        return fail(std::move(made).error());
    }
    JsonDocument answer;
    if (!answer.parse(*made)) return fail(ErrorKind::internal, "the engine's answer is not JSON");
    json_each(answer.root(), "Warnings", [](JsonValue warning) {
        std::string_view text;
        if (warning.get(text) == simdjson::SUCCESS)
            std::fprintf(stderr, "WARNING: %.*s\n", static_cast<int>(text.size()), text.data());
    });
    const std::string id = json_text(answer.root(), "Id");
    if (cidfile && ::write(cidfile.get(), id.data(), id.size()) < 0)
        return engine::fail_errno(errno, "failed to write the container ID to the file");
    return id;
}

}  // namespace dockerc
