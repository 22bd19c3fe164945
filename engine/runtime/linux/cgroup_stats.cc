#include "engine/runtime/linux/cgroup_stats.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace engine::runtime {
namespace {

// Docker's choice of memory.stat, in the order in which it prints them.
constexpr std::string_view memory_names_v1[] = {
    "active_anon", "active_file", "cache", "dirty", "hierarchical_memory_limit", "hierarchical_memsw_limit",
    "inactive_anon", "inactive_file", "mapped_file", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "rss", "rss_huge",
    "total_active_anon", "total_active_file", "total_cache", "total_dirty", "total_inactive_anon",
    "total_inactive_file", "total_mapped_file", "total_pgfault", "total_pgmajfault", "total_pgpgin", "total_pgpgout",
    "total_rss", "total_rss_huge", "total_unevictable", "total_writeback", "unevictable", "writeback"};
constexpr std::string_view memory_names_v2[] = {
    "active_anon", "active_file", "anon", "anon_thp", "file", "file_dirty", "file_mapped", "file_writeback",
    "inactive_anon", "inactive_file", "kernel_stack", "pgactivate", "pgdeactivate", "pgfault", "pglazyfree",
    "pglazyfreed", "pgmajfault", "pgrefill", "pgscan", "pgsteal", "shmem", "slab", "slab_reclaimable",
    "slab_unreclaimable", "sock", "thp_collapse_alloc", "thp_fault_alloc", "unevictable", "workingset_activate",
    "workingset_nodereclaim", "workingset_refault"};
// What newer kernels count in two parts.
constexpr std::string_view refault_parts[] = {"workingset_refault_anon", "workingset_refault_file"};
constexpr std::string_view activate_parts[] = {"workingset_activate_anon", "workingset_activate_file"};

// The next word up to a separator; "" at the end.
std::string_view next_word(std::string_view& text, std::string_view separators = " \t\n") {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return text = {};
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, std::min(text.find_first_of(separators), text.size()));
    text.remove_prefix(word.size());
    return word;
}

std::string_view next_line(std::string_view& text) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

std::uint64_t number(std::string_view word) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
    return parsed.ec == std::errc{} && parsed.ptr == word.data() + word.size() ? value : 0;
}

// "max" is the kernel's word for no limit.
std::uint64_t limit_of(std::string_view text, std::uint64_t unlimited) {
    const std::string_view word = next_word(text);
    return word == "max" ? unlimited : number(word);
}

// The value of "NAME VALUE" lines.
template <class Visit>
void each_pair(std::string_view text, Visit visit) {
    while (!text.empty()) {
        std::string_view line = next_line(text);
        const std::string_view name = next_word(line);
        if (!name.empty()) visit(name, number(next_word(line)));
    }
}

std::uint64_t ticks(std::uint64_t count) {
    static const std::uint64_t length = 1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
    return count * length;
}

void take_memory_counts(std::string_view text, std::span<const std::string_view> names, CgroupStats& into) {
    auto& counts = into.memory.counts;
    counts.clear();
    for (const std::string_view name : names) counts.emplace_back(name, 0);
    const auto find = [&](std::string_view name) {
        const auto before = [](const auto& count, std::string_view wanted) { return count.first < wanted; };
        const auto at = std::lower_bound(counts.begin(), counts.end(), name, before);
        return at != counts.end() && at->first == name ? &at->second : nullptr;
    };
    each_pair(text, [&](std::string_view name, std::uint64_t value) {
        if (std::ranges::find(refault_parts, name) != std::end(refault_parts)) name = "workingset_refault";
        if (std::ranges::find(activate_parts, name) != std::end(activate_parts)) name = "workingset_activate";
        if (std::uint64_t* count = find(name)) *count += value;
    });
}

// "8:0 Read 4096" lines, and a total without a device.
void take_io_v1(std::string_view text, std::vector<IoCount>& into) {
    into.clear();
    while (!text.empty()) {
        std::string_view line = next_line(text);
        const std::string_view device = next_word(line), operation = next_word(line), value = next_word(line);
        const std::size_t colon = device.find(':');
        if (colon == std::string_view::npos || value.empty()) continue;
        into.push_back({number(device.substr(0, colon)), number(device.substr(colon + 1)), std::string(operation),
                        number(value)});
    }
}

// "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 ..." lines.
void take_io_v2(std::string_view text, CgroupStats& into) {
    into.io_bytes.clear();
    while (!text.empty()) {
        std::string_view line = next_line(text);
        const std::string_view device = next_word(line);
        const std::size_t colon = device.find(':');
        if (colon == std::string_view::npos) continue;
        std::uint64_t read = 0, written = 0;
        for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
            if (word.starts_with("rbytes=")) read = number(word.substr(7));
            if (word.starts_with("wbytes=")) written = number(word.substr(7));
        }
        const std::uint64_t major = number(device.substr(0, colon)), minor = number(device.substr(colon + 1));
        into.io_bytes.push_back({major, minor, "read", read});
        into.io_bytes.push_back({major, minor, "write", written});
    }
}

struct File {
    std::string_view controller, name;
    void (*take)(std::string_view text, CgroupStats& into);
};

constexpr File files_v1[] = {
    {"cpuacct", "cpuacct.usage", [](std::string_view t, CgroupStats& s) { s.cpu.total = number(next_word(t)); }},
    {"cpuacct", "cpuacct.stat",
     [](std::string_view t, CgroupStats& s) {
         each_pair(t, [&s](std::string_view name, std::uint64_t value) {
             if (name == "user") s.cpu.user = ticks(value);
             if (name == "system") s.cpu.kernel = ticks(value);
         });
     }},
    {"cpuacct", "cpuacct.usage_percpu",
     [](std::string_view t, CgroupStats& s) {
         s.cpu.each.clear();
         for (auto word = next_word(t); !word.empty(); word = next_word(t)) s.cpu.each.push_back(number(word));
     }},
    {"cpu", "cpu.stat",
     [](std::string_view t, CgroupStats& s) {
         each_pair(t, [&s](std::string_view name, std::uint64_t value) {
             if (name == "nr_periods") s.cpu.periods = value;
             if (name == "nr_throttled") s.cpu.throttled_periods = value;
             if (name == "throttled_time") s.cpu.throttled_time = value;
         });
     }},
    {"memory", "memory.usage_in_bytes",
     [](std::string_view t, CgroupStats& s) { s.memory.usage = number(next_word(t)); }},
    {"memory", "memory.max_usage_in_bytes",
     [](std::string_view t, CgroupStats& s) { s.memory.usage_most = number(next_word(t)); }},
    {"memory", "memory.failcnt", [](std::string_view t, CgroupStats& s) { s.memory.failures = number(next_word(t)); }},
    {"memory", "memory.limit_in_bytes",
     [](std::string_view t, CgroupStats& s) { s.memory.limit = number(next_word(t)); }},
    {"memory", "memory.stat",
     [](std::string_view t, CgroupStats& s) { take_memory_counts(t, memory_names_v1, s); }},
    {"pids", "pids.current", [](std::string_view t, CgroupStats& s) { s.pids = number(next_word(t)); }},
    {"pids", "pids.max", [](std::string_view t, CgroupStats& s) { s.pids_limit = limit_of(t, 0); }},
    {"blkio", "blkio.throttle.io_service_bytes_recursive",
     [](std::string_view t, CgroupStats& s) { take_io_v1(t, s.io_bytes); }},
    {"blkio", "blkio.throttle.io_serviced_recursive",
     [](std::string_view t, CgroupStats& s) { take_io_v1(t, s.io_operations); }},
};

constexpr File files_v2[] = {
    {"", "cpu.stat",
     [](std::string_view t, CgroupStats& s) {
         each_pair(t, [&s](std::string_view name, std::uint64_t value) {
             if (name == "usage_usec") s.cpu.total = value * 1000;
             if (name == "user_usec") s.cpu.user = value * 1000;
             if (name == "system_usec") s.cpu.kernel = value * 1000;
             if (name == "nr_periods") s.cpu.periods = value;
             if (name == "nr_throttled") s.cpu.throttled_periods = value;
             if (name == "throttled_usec") s.cpu.throttled_time = value * 1000;
         });
     }},
    {"memory", "memory.current", [](std::string_view t, CgroupStats& s) { s.memory.usage = number(next_word(t)); }},
    {"memory", "memory.max", [](std::string_view t, CgroupStats& s) { s.memory.limit = limit_of(t, UINT64_MAX); }},
    {"memory", "memory.events",
     [](std::string_view t, CgroupStats& s) {
         each_pair(t, [&s](std::string_view name, std::uint64_t value) {
             if (name == "oom") s.memory.failures = value;
         });
     }},
    {"memory", "memory.stat",
     [](std::string_view t, CgroupStats& s) { take_memory_counts(t, memory_names_v2, s); }},
    {"pids", "pids.current", [](std::string_view t, CgroupStats& s) { s.pids = number(next_word(t)); }},
    {"pids", "pids.max", [](std::string_view t, CgroupStats& s) { s.pids_limit = limit_of(t, UINT64_MAX); }},
    {"io", "io.stat", [](std::string_view t, CgroupStats& s) { take_io_v2(t, s); }},
};

}  // namespace

std::vector<CgroupStatsFile> cgroup_stats_files(const CgroupHost& host, const std::vector<std::string>& directories) {
    const std::span<const File> files = host.v2 ? std::span<const File>(files_v2) : std::span<const File>(files_v1);
    std::vector<CgroupStatsFile> out;
    for (std::size_t i = 0; i < directories.size(); ++i) {
        const auto& controllers = host.hierarchies[i].controllers;
        for (const File& file : files)
            if (host.v2 || std::ranges::find(controllers, file.controller) != controllers.end())
                out.push_back({directories[i] + "/" + std::string(file.name), file.take});
    }
    return out;
}

HostCpu parse_host_cpu(std::string_view text) {
    HostCpu cpu;
    while (text.starts_with("cpu")) {
        std::string_view line = next_line(text);
        const std::string_view name = next_word(line);
        if (name != "cpu") {
            ++cpu.online;
            continue;
        }
        // user to softirq: what virtual machines were given and lost is in them, or not this host's.
        for (int field = 0; field < 7; ++field) cpu.total += ticks(number(next_word(line)));
    }
    return cpu;
}

std::vector<InterfaceCounts> parse_interface_counts(std::string_view text) {
    std::vector<InterfaceCounts> out;
    while (!text.empty()) {
        std::string_view line = next_line(text);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;   // the two lines of headings
        InterfaceCounts counts;
        std::string_view name = line.substr(0, colon);
        counts.name = next_word(name);
        line.remove_prefix(colon + 1);
        std::uint64_t values[16] = {};
        for (std::uint64_t& value : values) value = number(next_word(line));
        counts.rx_bytes = values[0], counts.rx_packets = values[1];
        counts.rx_errors = values[2], counts.rx_dropped = values[3];
        counts.tx_bytes = values[8], counts.tx_packets = values[9];
        counts.tx_errors = values[10], counts.tx_dropped = values[11];
        out.push_back(std::move(counts));
    }
    return out;
}

}  // namespace engine::runtime
