#include "engine/runtime/spec_update.h"

#include <simdjson.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/restart_policy.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

tl::unexpected<Error> conflict(std::string message) { return fail(ErrorKind::conflict, std::move(message)); }

// What sets a share of CPU time in two ways at once.
Result<void> check_conflicts(const ContainerSpec& now, const ContainerSpec& wanted) {
    const char* both = "Conflicting options: ";
    if (wanted.nano_cpus > 0 && now.cpu_period > 0)
        return conflict(std::string(both) + "Nano CPUs cannot be updated as CPU Period has already been set");
    if (wanted.nano_cpus > 0 && now.cpu_quota > 0)
        return conflict(std::string(both) + "Nano CPUs cannot be updated as CPU Quota has already been set");
    if (wanted.cpu_period > 0 && now.nano_cpus > 0)
        return conflict(std::string(both) + "CPU Period cannot be updated as NanoCPUs has already been set");
    if (wanted.cpu_quota > 0 && now.nano_cpus > 0)
        return conflict(std::string(both) + "CPU Quota cannot be updated as NanoCPUs has already been set");
    if (wanted.memory != 0 && wanted.memory > now.memory_swap && wanted.memory_swap == 0)
        return conflict("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at "
                        "the same time");
    if (now.auto_remove && has_restart_policy(wanted.restart))
        return conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    return {};
}

}  // namespace

Result<ContainerSpec> merge_update(const ContainerSpec& spec, const ContainerSpec& wanted) {
    TRY_VOID(check_conflicts(spec, wanted));
    HostConfigFields fields;
    const auto number = [&fields](const char* name, std::int64_t value) {
        if (value != 0) fields[name] = std::to_string(value);
    };
    const auto text = [&fields](const char* name, const std::string& value) {
        if (value.empty()) return;
        json::append_string(fields[name], value);
    };
    number("BlkioWeight", wanted.blkio_weight);
    number("CpuShares", wanted.cpu_shares);
    number("NanoCpus", wanted.nano_cpus);
    number("CpuPeriod", wanted.cpu_period);
    number("CpuQuota", wanted.cpu_quota);
    text("CpusetCpus", wanted.cpuset_cpus);
    text("CpusetMems", wanted.cpuset_mems);
    number("Memory", wanted.memory);
    number("MemorySwap", wanted.memory_swap);
    number("MemoryReservation", wanted.memory_reservation);
    number("KernelMemory", wanted.kernel_memory);
    number("CpuRealtimePeriod", wanted.cpu_realtime_period);
    number("CpuRealtimeRuntime", wanted.cpu_realtime_runtime);
    if (wanted.pids_limit_said) fields["PidsLimit"] = std::to_string(std::max<std::int64_t>(wanted.pids_limit, 0));
    if (!wanted.restart.name.empty()) {
        json::Writer w;
        w.begin_object().field("Name", wanted.restart.name);
        w.field("MaximumRetryCount", wanted.restart.maximum_retry_count).end_object();
        fields["RestartPolicy"] = w.take();
    }
    if (wanted.host_config_json != "{}") {
        simdjson::dom::parser parser;
        simdjson::dom::element ports;
        if (parser.parse(wanted.host_config_json)["PortBindings"].get(ports) == simdjson::SUCCESS)
            fields["PortBindings"] = simdjson::minify(ports);
    }
    ContainerSpec merged = spec;
    set_host_config(merged, fields);
    const std::string stored = spec_text(merged);
    return parse_spec(stored);
}

}  // namespace engine::runtime
