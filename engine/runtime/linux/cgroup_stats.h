// What a container has used, out of the files of its control groups. Reading them is somebody else's: a file may make
// its reader wait while the kernel adds up what its processors have counted each for itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/runtime/linux/cgroup.h"

namespace engine::runtime {

// One count of one block device.
struct IoCount {
    std::uint64_t major = 0, minor = 0;
    std::string operation;
    std::uint64_t value = 0;
};

struct CgroupStats {
    bool v2 = false;
    struct Cpu {   // nanoseconds
        std::uint64_t total = 0, kernel = 0, user = 0;
        std::vector<std::uint64_t> each;   // by processor; v1 alone
        std::uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
    } cpu;
    struct Memory {
        std::uint64_t usage = 0, usage_most = 0, failures = 0;
        std::uint64_t limit = 0;           // UINT64_MAX, or v1's word for it: none
        std::vector<std::pair<std::string_view, std::uint64_t>> counts;   // the names that Docker shows, sorted
    } memory;
    std::uint64_t pids = 0, pids_limit = 0;   // v1: 0 without a limit; v2: UINT64_MAX. As Docker shows them
    std::vector<IoCount> io_bytes, io_operations;
};

struct CgroupStatsFile {
    std::string path;
    void (*take)(std::string_view text, CgroupStats& into);   // what cannot be read as expected counts as nothing
};

// The files of a container's groups, whose directories are given by hierarchy. A controller that is not there has none.
std::vector<CgroupStatsFile> cgroup_stats_files(const CgroupHost& host, const std::vector<std::string>& directories);

// Of /proc/stat: what all processors together have worked, waited and idled, and how many they are.
struct HostCpu {
    std::uint64_t total = 0;   // nanoseconds
    std::uint32_t online = 0;
};
HostCpu parse_host_cpu(std::string_view text);

// One line of /proc/PID/net/dev.
struct InterfaceCounts {
    std::string name;
    std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};
std::vector<InterfaceCounts> parse_interface_counts(std::string_view text);

}  // namespace engine::runtime
