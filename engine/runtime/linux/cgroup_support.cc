#include "engine/runtime/linux/cgroup_support.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/unique_fd.h"

namespace engine::runtime {
namespace {

constexpr std::size_t cpu_number_most = 8191;

std::string first_line(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t got = fd ? read(fd.get(), text, sizeof text) : 0;
    std::string out(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return out.substr(0, out.find('\n'));
}

bool number(std::string_view text, std::size_t& out) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && out <= cpu_number_most;
}

}  // namespace

CgroupSupport detect_cgroup_support(const CgroupHost& host, std::string_view parent) {
    // A group's own directory less its last part.
    const auto has = [&](std::string_view controller, const char* file) {
        const auto directories = container_cgroup_directories(host, parent, "");
        for (std::size_t i = 0; i < host.hierarchies.size(); ++i) {
            const auto& words = host.hierarchies[i].controllers;
            if (std::find(words.begin(), words.end(), controller) == words.end()) continue;
            return access((directories[i] + file).c_str(), F_OK) == 0;
        }
        return false;
    };
    const auto set = [&](const char* v1, const char* v2) {
        for (const CgroupHierarchy& h : host.hierarchies) {
            if (std::find(h.controllers.begin(), h.controllers.end(), "cpuset") == h.controllers.end()) continue;
            return first_line(h.mount_point + (host.v2 ? v2 : v1));
        }
        return std::string();
    };
    CgroupSupport out;
    const bool v2 = host.v2;
    out.memory = has("memory", v2 ? "memory.max" : "memory.limit_in_bytes");
    out.swap = has("memory", v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
    out.reservation = has("memory", v2 ? "memory.low" : "memory.soft_limit_in_bytes");
    out.swappiness = !v2 && has("memory", "memory.swappiness");
    out.oom_kill_disable = !v2 && has("memory", "memory.oom_control");
    out.cpu_shares = has("cpu", v2 ? "cpu.weight" : "cpu.shares");
    out.cpu_cfs = has("cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us");
    out.cpuset = has("cpuset", "cpuset.cpus");
    out.pids = has("pids", "pids.max");
    out.blkio_weight = v2 ? has("io", "io.weight") || has("io", "io.bfq.weight")
                          : has("blkio", "blkio.weight") || has("blkio", "blkio.bfq.weight");
    out.cpus = set("/cpuset.cpus", "/cpuset.cpus.effective");
    out.mems = set("/cpuset.mems", "/cpuset.mems.effective");
    return out;
}

bool parse_cpu_list(std::string_view text, std::string& bits) {
    bits.assign(cpu_number_most + 1, '0');
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view part = text.substr(0, comma);
        const std::size_t dash = part.find('-');
        std::size_t first = 0;
        std::size_t last = 0;
        if (!number(part.substr(0, dash), first)) return false;
        last = first;
        if (dash != std::string_view::npos && !number(part.substr(dash + 1), last)) return false;
        if (last < first) return false;
        for (std::size_t i = first; i <= last; ++i) bits[i] = '1';
        if (comma == std::string_view::npos) return true;
        text.remove_prefix(comma + 1);
    }
}

bool cpu_list_within(std::string_view wanted, std::string_view available) {
    std::string want;
    std::string have;
    if (!parse_cpu_list(wanted, want) || !parse_cpu_list(available, have)) return false;
    for (std::size_t i = 0; i < want.size(); ++i)
        if (want[i] == '1' && have[i] != '1') return false;
    return true;
}

}  // namespace engine::runtime
