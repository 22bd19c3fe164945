#include <cstdio>
#include <cstdlib>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/container_options.h"
#include "tools/dockerc/network_options.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

struct Wanted {
    std::string memory, memory_swap, memory_reservation, cpus, restart, cpuset_cpus, cpuset_mems;
    std::vector<std::string> publish;
    bool publish_none = false;
    std::optional<std::int64_t> cpu_shares, cpu_period, cpu_quota, pids_limit, blkio_weight;
};

// "-1" is unlimited.
Result<void> write_bytes(engine::json::Writer& json, const char* name, const std::string& text) {
    if (text.empty()) return {};
    if (text == "-1") {
        json.field(name, -1);
        return {};
    }
    TRY(const auto bytes, parse_bytes(text));
    json.field(name, bytes);
    return {};
}

Result<std::string> update_body(const Wanted& wanted) {
    engine::json::Writer json;
    json.begin_object();
    TRY_VOID(write_bytes(json, "Memory", wanted.memory));
    TRY_VOID(write_bytes(json, "MemorySwap", wanted.memory_swap));
    TRY_VOID(write_bytes(json, "MemoryReservation", wanted.memory_reservation));
    if (!wanted.cpus.empty()) {
        TRY(const auto nano, parse_nano_cpus(wanted.cpus));
        json.field("NanoCpus", nano);
    }
    const auto number = [&json](const char* name, const std::optional<std::int64_t>& value) {
        if (value) json.field(name, *value);
    };
    number("CpuShares", wanted.cpu_shares);
    number("CpuPeriod", wanted.cpu_period);
    number("CpuQuota", wanted.cpu_quota);
    number("PidsLimit", wanted.pids_limit);
    number("BlkioWeight", wanted.blkio_weight);
    if (!wanted.cpuset_cpus.empty()) json.field("CpusetCpus", wanted.cpuset_cpus);
    if (!wanted.cpuset_mems.empty()) json.field("CpusetMems", wanted.cpuset_mems);
    if (!wanted.restart.empty()) {
        TRY(const std::string policy, restart_policy_json(wanted.restart));
        json.field_raw("RestartPolicy", policy);
    }
    if (!wanted.publish.empty() || wanted.publish_none) {
        TRY_VOID(write_port_bindings(json, wanted.publish));
    }
    return json.end_object().take();
}

}  // namespace

int update_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    Wanted wanted;
    line.app.add_option("-m,--memory", wanted.memory, "Memory limit");
    line.app.add_option("--memory-swap", wanted.memory_swap, "Swap limit equal to memory plus swap: -1 for unlimited");
    line.app.add_option("--memory-reservation", wanted.memory_reservation, "Memory soft limit");
    line.app.add_option("--cpus", wanted.cpus, "Number of CPUs");
    line.app.add_option("-c,--cpu-shares", wanted.cpu_shares, "CPU shares (relative weight)");
    line.app.add_option("--cpu-period", wanted.cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period");
    line.app.add_option("--cpu-quota", wanted.cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota");
    line.app.add_option("--cpuset-cpus", wanted.cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)");
    line.app.add_option("--cpuset-mems", wanted.cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)");
    line.app.add_option("--blkio-weight", wanted.blkio_weight, "Block IO (relative weight), between 10 and 1000");
    line.app.add_option("--pids-limit", wanted.pids_limit, "Tune container pids limit (set -1 for unlimited)");
    line.app.add_option("--restart", wanted.restart, "Restart policy to apply when a container exits");
    line.list("-p,--publish", wanted.publish, "Published ports from now on, all of them (dockercd only)");
    line.app.add_flag("--publish-none", wanted.publish_none, "No published ports from now on (dockercd only)");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    const auto body = update_body(wanted);
    if (!body) return report_usage(command, body.error().message(), 1);
    if (*body == "{}") {
        std::fprintf(stderr, "you must provide one or more flags when using this command\n");
        return 1;
    }
    return for_each_word(line.words, [&](const std::string& name) -> Result<void> {
        TRY(const std::string answer, client.call("POST", "/containers/" + url_escape(name) + "/update", *body));
        JsonDocument document;
        if (!document.parse(answer)) return {};
        json_each(document.root(), "Warnings", [](JsonValue warning) {
            std::string_view text;
            if (warning.get(text) == simdjson::SUCCESS)
                std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
        });
        return {};
    });
}

}  // namespace dockerc
