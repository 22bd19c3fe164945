#include "engine/runtime/resource_check.h"

#include <unistd.h>

#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

constexpr const char* cgroup_missing = " or the cgroup is not mounted. ";
constexpr std::int64_t nano_cpu = 1'000'000'000;

tl::unexpected<Error> bad(std::string message) { return fail(ErrorKind::invalid, std::move(message)); }

using Warnings = std::vector<std::string>;

// "Your kernel does not support WHAT or the cgroup is not mounted. THEN"
void discard(Warnings& warnings, std::string_view what, std::string_view then) {
    warnings.push_back("Your kernel does not support " + std::string(what) + cgroup_missing + std::string(then));
}

Result<void> check_memory(ContainerSpec& s, const CgroupSupport& can, bool update, Warnings& warnings) {
    if (s.memory_swappiness == -1) s.memory_swappiness.reset();
    if (s.memory != 0 && s.memory < kMemoryMinimum) return bad("Minimum memory limit allowed is 6MB");
    if (s.memory > 0 && !can.memory) {
        discard(warnings, "memory limit capabilities", "Limitation discarded.");
        s.memory = 0;
        s.memory_swap = -1;
        set_host_config(s, {{"Memory", "0"}, {"MemorySwap", "-1"}});
    }
    if (s.memory > 0 && s.memory_swap != -1 && !can.swap) {
        discard(warnings, "swap limit capabilities", "Memory limited without swap.");
        s.memory_swap = -1;
        set_host_config(s, {{"MemorySwap", "-1"}});
    }
    if (s.memory > 0 && s.memory_swap > 0 && s.memory_swap < s.memory)
        return bad("Minimum memoryswap limit should be larger than memory limit, see usage");
    if (s.memory == 0 && s.memory_swap > 0 && !update)
        return bad("You should always set the Memory limit when using Memoryswap limit, see usage");
    if (s.memory_swappiness && !can.swappiness) {
        discard(warnings, "memory swappiness capabilities", "Memory swappiness discarded.");
        s.memory_swappiness.reset();
        set_host_config(s, {{"MemorySwappiness", "null"}});
    }
    if (s.memory_swappiness && (*s.memory_swappiness < 0 || *s.memory_swappiness > 100))
        return bad("Invalid value: " + std::to_string(*s.memory_swappiness) +
                   ", valid memory swappiness range is 0-100");
    if (s.memory_reservation > 0 && !can.reservation) {
        discard(warnings, "memory soft limit capabilities", "Limitation discarded.");
        s.memory_reservation = 0;
        set_host_config(s, {{"MemoryReservation", "0"}});
    }
    if (s.memory_reservation > 0 && s.memory_reservation < kMemoryMinimum)
        return bad("Minimum memory reservation allowed is 6MB");
    if (s.memory > 0 && s.memory_reservation > s.memory)
        return bad("Minimum memory limit can not be less than memory reservation limit, see usage");
    if (s.kernel_memory > 0) {
        discard(warnings, "kernel memory limit capabilities", "Limitation discarded.");
        s.kernel_memory = 0;
        set_host_config(s, {{"KernelMemory", "0"}});
    }
    if (s.oom_kill_disable && !can.oom_kill_disable) {
        warnings.emplace_back("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
        s.oom_kill_disable = false;
        set_host_config(s, {{"OomKillDisable", "null"}});
    }
    if (s.oom_kill_disable && s.memory == 0)
        warnings.emplace_back("OOM killer is disabled for the container, but no memory limit is set, this can result "
                              "in the system running out of resources.");
    if (s.pids_limit > 0 && !can.pids) {
        discard(warnings, "PIDs limit capabilities", "PIDs limit discarded.");
        s.pids_limit = 0;
        set_host_config(s, {{"PidsLimit", "null"}});
    }
    return {};
}

Result<void> check_cpu(ContainerSpec& s, const CgroupSupport& can, Warnings& warnings) {
    if (s.nano_cpus > 0 && s.cpu_period > 0)
        return bad("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    if (s.nano_cpus > 0 && s.cpu_quota > 0)
        return bad("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    if (s.nano_cpus > 0 && !can.cpu_cfs)
        return bad("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not "
                   "mounted");
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (s.nano_cpus < 0 || s.nano_cpus > cpus * nano_cpu)
        return bad("range of CPUs is from 0.01 to " + std::to_string(cpus) + ".00, as there are only " +
                   std::to_string(cpus) + " CPUs available");
    if (s.cpu_shares < 0)
        return bad("invalid CPU shares (" + std::to_string(s.cpu_shares) + "): value must be a positive integer");
    if (s.cpu_shares > 0 && !can.cpu_shares) {
        discard(warnings, "CPU shares", "Shares discarded.");
        s.cpu_shares = 0;
        set_host_config(s, {{"CpuShares", "0"}});
    }
    if ((s.cpu_period != 0 || s.cpu_quota != 0) && !can.cpu_cfs) {
        warnings.emplace_back("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
        s.cpu_period = s.cpu_quota = 0;
        set_host_config(s, {{"CpuPeriod", "0"}, {"CpuQuota", "0"}});
    }
    if (s.cpu_period != 0 && (s.cpu_period < 1000 || s.cpu_period > 1'000'000))
        return bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    if (s.cpu_quota > 0 && s.cpu_quota < 1000) return bad("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    return {};
}

Result<void> check_set(const std::string& wanted, const std::string& available, std::string_view field,
                       std::string_view things) {
    if (wanted.empty()) return {};
    std::string bits;
    if (!parse_cpu_list(wanted, bits))
        return bad("Invalid value " + wanted + " for cpuset " + std::string(field) + ": invalid format: " + wanted);
    if (cpu_list_within(wanted, available)) return {};
    return bad("Requested " + std::string(things) + " are not available - requested " + wanted +
               ", available: " + available);
}

Result<void> check_sets_and_io(ContainerSpec& s, const CgroupSupport& can, Warnings& warnings) {
    if ((!s.cpuset_cpus.empty() || !s.cpuset_mems.empty()) && !can.cpuset) {
        discard(warnings, "cpuset", "Cpuset discarded.");
        s.cpuset_cpus.clear();
        s.cpuset_mems.clear();
        set_host_config(s, {{"CpusetCpus", "\"\""}, {"CpusetMems", "\"\""}});
    }
    TRY_VOID(check_set(s.cpuset_cpus, can.cpus, "cpus", "CPUs"));
    TRY_VOID(check_set(s.cpuset_mems, can.mems, "mems", "memory nodes"));
    if (s.blkio_weight > 0 && !can.blkio_weight) {
        discard(warnings, "Block I/O weight", "Weight discarded.");
        s.blkio_weight = 0;
        set_host_config(s, {{"BlkioWeight", "0"}});
    }
    if (s.blkio_weight != 0 && (s.blkio_weight < 10 || s.blkio_weight > 1000))
        return bad("Range of blkio weight is from 10 to 1000");
    return {};
}

}  // namespace

Result<std::vector<std::string>> check_resources(ContainerSpec& spec, const CgroupSupport& support, bool update) {
    Warnings warnings;
    TRY_VOID(check_memory(spec, support, update, warnings));
    TRY_VOID(check_cpu(spec, support, warnings));
    TRY_VOID(check_sets_and_io(spec, support, warnings));
    return warnings;
}

void complete_resources(ContainerSpec& spec) {
    // Zero and less are "no limit".
    if (spec.pids_limit_said && spec.pids_limit <= 0) set_host_config(spec, {{"PidsLimit", "null"}});
    if (spec.memory <= 0 || spec.memory_swap != 0) return;
    spec.memory_swap = spec.memory > INT64_MAX / 2 ? -1 : spec.memory * 2;
    set_host_config(spec, {{"MemorySwap", std::to_string(spec.memory_swap)}});
}

}  // namespace engine::runtime
