#include "engine/api/system_api.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include "engine/api/host_facts.h"
#include "engine/api/registry_api.h"
#include "engine/api/services.h"
#include "engine/net/networks.h"
#include "engine/api/version.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/log.h"
#include "engine/reactor/loop.h"
#include "engine/runtime/event.h"
#include "engine/runtime/go_time.h"
#include "engine/storage/registry_service.h"
#include "engine/runtime/log_options.h"

namespace engine::api {
namespace {

std::string build_time() { return runtime::rfc3339_nano(ENGINE_BUILD_TIME * second); }

void write_version_platform(json::Writer& w, const KernelFacts& kernel) {
    w.key("Platform").begin_object().field("Name", "dockercd").end_object();
    w.key("Components").begin_array().begin_object();
    w.field("Name", "Engine").field("Version", ENGINE_VERSION).key("Details").begin_object();
    w.field("ApiVersion", version_text(api_version_newest))
        .field("Arch", kernel.go_machine)
        .field("BuildTime", build_time());
    w.field("Experimental", "false").field("GitCommit", ENGINE_COMMIT).field("GoVersion", "none (C++20)");
    w.field("KernelVersion", kernel.release)
        .field("MinAPIVersion", version_text(api_version_oldest))
        .field("Os", "linux");
    w.end_object().end_object().end_array();
}

void write_info_plugins(json::Writer& w) {
    w.key("Plugins").begin_object();
    w.field("Volume", std::vector<std::string>{"local"});
    w.field("Network", std::vector<std::string>{"bridge", "host", "null"});
    w.field_null("Authorization");
    w.field("Log", runtime::log_driver_names());
    w.end_object();
}

void write_info_cgroups(json::Writer& w, const SystemFacts& facts) {
    const ControllerFacts& has = controller_facts(facts.cgroup_version);
    w.field("MemoryLimit", has.memory).field("SwapLimit", has.swap);
    if (facts.cgroup_version == 1) w.field("KernelMemoryTCP", false).field("OomKillDisable", has.oom_kill_disable);
    w.field("CpuCfsPeriod", has.cpu_quota).field("CpuCfsQuota", has.cpu_quota);
    w.field("CPUShares", has.cpu_shares).field("CPUSet", has.cpuset).field("PidsLimit", has.pids);
    w.field("CgroupDriver", facts.cgroup_driver).field("CgroupVersion", std::to_string(facts.cgroup_version));
}

std::vector<std::string> info_warnings(const SystemFacts& facts) {
    const ControllerFacts& has = controller_facts(facts.cgroup_version);
    std::vector<std::string> warnings;
    if (!has.memory) warnings.emplace_back("WARNING: No memory limit support");
    if (!has.swap) warnings.emplace_back("WARNING: No swap limit support");
    if (!has.oom_kill_disable && facts.cgroup_version == 1)
        warnings.emplace_back("WARNING: No oom kill disable support");
    if (!has.cpu_quota) warnings.emplace_back("WARNING: No cpu cfs quota support");
    if (!has.cpu_quota) warnings.emplace_back("WARNING: No cpu cfs period support");
    if (!has.cpu_shares) warnings.emplace_back("WARNING: No cpu shares support");
    if (!has.cpuset) warnings.emplace_back("WARNING: No cpuset support");
    if (!facts.device_rules) warnings.emplace_back("WARNING: No devices cgroup support");
    if (!has.pids) warnings.emplace_back("WARNING: No pids limit support");
    if (!ipv4_forwarding()) warnings.emplace_back("WARNING: IPv4 forwarding is disabled");
    for (const std::string& address : facts.open_addresses)
        warnings.push_back("WARNING: API is accessible on http://" + address +
                           " without encryption.\n"
                           "         Access to the remote API is equivalent to root access on the host.");
    return warnings;
}

void write_info_host(json::Writer& w, const SystemFacts& facts) {
    const KernelFacts kernel = kernel_facts();
    w.field("KernelVersion", kernel.release).field("OperatingSystem", os_facts().pretty_name);
    w.field("OSVersion", os_facts().version_id).field("OSType", "linux").field("Architecture", kernel.machine);
    w.field("NCPU", get_nprocs()).field("MemTotal", memory_total());
    w.field("BridgeNfIptables", bridge_netfilter(false)).field("BridgeNfIp6tables", bridge_netfilter(true));
    w.field("IPv4Forwarding", ipv4_forwarding());
    w.field("SystemTime", runtime::rfc3339_nano(realtime_ns())).field("Name", facts.name);
}

// Passwords of a proxy's URL are not for everyone who asks.
std::string without_password(const std::string& url) {
    const size_t at = url.rfind('@');
    const size_t begin = url.find("://");
    if (at == std::string::npos || begin == std::string::npos || at < begin) return url;
    return url.substr(0, begin + 3) + "xxxxx:xxxxx" + url.substr(at);
}

void write_info_registries(json::Writer& w, const storage::RegistrySettings& settings) {
    w.field("HttpProxy", without_password(settings.http_proxy));
    w.field("HttpsProxy", without_password(settings.https_proxy)).field("NoProxy", settings.no_proxy);
    w.field_raw("RegistryConfig", registry_config(settings));
}

// Things of dockerd that this engine does without: present, so that clients which read them find what they expect.
void write_info_absent(json::Writer& w) {
    w.key("Swarm").begin_object().field("NodeID", "").field("NodeAddr", "").field("LocalNodeState", "inactive");
    w.field("ControlAvailable", false).field("Error", "").field_null("RemoteManagers").end_object();
    w.field_null("GenericResources").field("ExperimentalBuild", false).field("LiveRestoreEnabled", true);
    w.field("Isolation", "")
        .field("InitBinary", "")
        .field_raw("DefaultAddressPools", "[]")
        .field_raw("CDISpecDirs", "[]");
    // Two names of the one there is. Clients know the default one by dockerd's name.
    w.key("Runtimes").begin_object();
    for (const char* name : {"dockercd", "runc"})
        w.key(name).begin_object().field("path", "dockercd-keeper").end_object();
    w.end_object();
    w.field("DefaultRuntime", "runc").field("ProductLicense", "Apache-2.0").field("IndexServerAddress", "https://index.docker.io/v1/");
    for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"})
        w.key(name).begin_object().field("ID", "").end_object();
}

}  // namespace

Task<void> get_ping(Services&, Request&, Response& response) {
    response.add_header("Builder-Version", "1");
    response.add_header("Swarm", "inactive");
    response.add_header("Cache-Control", "no-cache, no-store, must-revalidate");
    response.add_header("Pragma", "no-cache");
    return response.send(200, "text/plain; charset=utf-8", "OK");
}

Task<void> get_version(Services&, Request&, Response& response) {
    const KernelFacts kernel = kernel_facts();
    json::Writer w;
    w.begin_object();
    write_version_platform(w, kernel);
    w.field("Version", ENGINE_VERSION).field("ApiVersion", version_text(api_version_newest));
    w.field("MinAPIVersion", version_text(api_version_oldest)).field("GitCommit", ENGINE_COMMIT);
    w.field("GoVersion", "none (C++20)").field("Os", "linux").field("Arch", kernel.go_machine);
    w.field("KernelVersion", kernel.release).field("BuildTime", build_time());
    w.end_object();
    return response.send_json(200, w.take());
}

Task<void> get_info(Services& services, Request&, Response& response) {
    auto of_networks = co_await services.networks->warnings();
    const SystemFacts& facts = services.facts;
    const ObjectCounts counts = services.count(services.count_context);
    json::Writer w;
    w.begin_object();
    w.field("ID", facts.id).field("Containers", counts.containers).field("ContainersRunning", counts.running);
    w.field("ContainersPaused", counts.paused)
        .field("ContainersStopped", counts.stopped)
        .field("Images", counts.images);
    w.field("Driver", facts.storage_driver).key("DriverStatus").begin_array();
    w.value(std::vector<std::string>{"Backing Filesystem", facts.backing_filesystem}).end_array();
    write_info_plugins(w);
    write_info_cgroups(w, facts);
    w.field("Debug", facts.debug).field("NFd", open_descriptors()).field("NGoroutines", reactor::frames_live());
    w.field("NEventsListener", services.events->listeners()).field("LoggingDriver", facts.log_driver);
    write_info_host(w, facts);
    w.field("DockerRootDir", facts.data_root).field("Labels", facts.labels).field("ServerVersion", ENGINE_VERSION);
    w.field("SecurityOptions", std::vector<std::string>{"name=seccomp,profile=builtin", "name=cgroupns"});
    write_info_registries(w, services.registry->settings());
    write_info_absent(w);
    std::vector<std::string> warnings = info_warnings(facts);
    if (of_networks) {
        warnings.insert(warnings.end(), of_networks->begin(), of_networks->end());
    } else {
        warnings.push_back("WARNING: " + of_networks.error().message());
    }
    std::string answer = w.field("Warnings", warnings).end_object().take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
