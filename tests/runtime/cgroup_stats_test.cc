#include "engine/runtime/linux/cgroup_stats.h"

#include <gtest/gtest.h>

#include <map>

namespace engine::runtime {
namespace {

CgroupStats read(const CgroupHost& host, const std::vector<std::string>& directories,
                 const std::map<std::string, std::string>& texts) {
    CgroupStats stats;
    std::size_t known = 0;
    for (const CgroupStatsFile& file : cgroup_stats_files(host, directories)) {
        const auto text = texts.find(file.path);
        if (text == texts.end()) continue;
        file.take(text->second, stats);
        ++known;
    }
    EXPECT_EQ(known, texts.size());
    return stats;
}

std::uint64_t counted(const CgroupStats& stats, std::string_view name) {
    for (const auto& [known, value] : stats.memory.counts)
        if (known == name) return value;
    ADD_FAILURE() << name << " is not counted";
    return 0;
}

TEST(CgroupStats, version_1_is_several_hierarchies) {
    CgroupHost host;
    host.hierarchies = {{"/c/cpu,cpuacct", "cpu,cpuacct", "", {"cpu", "cpuacct"}},
                        {"/c/memory", "memory", "", {"memory"}},
                        {"/c/pids", "pids", "", {"pids"}},
                        {"/c/blkio", "blkio", "", {"blkio"}},
                        {"/c/systemd", "systemd", "", {}}};
    const CgroupStats stats =
        read(host, {"/a", "/m", "/p", "/b", "/s"},
             {{"/a/cpuacct.usage", "123456789\n"},
              {"/a/cpuacct.usage_percpu", "100 200 \n"},
              {"/a/cpuacct.stat", "user 3\nsystem 4\n"},
              {"/a/cpu.stat", "nr_periods 5\nnr_throttled 6\nthrottled_time 7\n"},
              {"/m/memory.usage_in_bytes", "4096\n"},
              {"/m/memory.max_usage_in_bytes", "8192\n"},
              {"/m/memory.failcnt", "2\n"},
              {"/m/memory.limit_in_bytes", "67108864\n"},
              {"/m/memory.stat", "cache 11\nrss 12\nnot_docker's 13\ntotal_inactive_file 14\n"},
              {"/p/pids.current", "3\n"},
              {"/p/pids.max", "max\n"},
              {"/b/blkio.throttle.io_service_bytes_recursive", "8:16 Read 4096\n8:16 Total 4096\nTotal 4096\n"},
              {"/b/blkio.throttle.io_serviced_recursive", "8:16 Read 1\nTotal 1\n"}});
    EXPECT_EQ(stats.cpu.total, 123456789u);
    EXPECT_EQ(stats.cpu.each, (std::vector<std::uint64_t>{100, 200}));
    EXPECT_EQ(stats.cpu.user, 30'000'000u);
    EXPECT_EQ(stats.cpu.kernel, 40'000'000u);
    EXPECT_EQ(stats.cpu.throttled_time, 7u);
    EXPECT_EQ(stats.memory.usage, 4096u);
    EXPECT_EQ(stats.memory.limit, 67108864u);
    EXPECT_EQ(counted(stats, "rss"), 12u);
    EXPECT_EQ(counted(stats, "total_inactive_file"), 14u);
    EXPECT_EQ(counted(stats, "writeback"), 0u);
    EXPECT_EQ(stats.pids, 3u);
    EXPECT_EQ(stats.pids_limit, 0u);
    ASSERT_EQ(stats.io_bytes.size(), 2u);
    EXPECT_EQ(stats.io_bytes[0].major, 8u);
    EXPECT_EQ(stats.io_bytes[0].minor, 16u);
    EXPECT_EQ(stats.io_bytes[0].operation, "Read");
    EXPECT_EQ(stats.io_operations.at(0).value, 1u);
}

TEST(CgroupStats, version_2_is_one_directory) {
    CgroupHost host;
    host.v2 = true;
    host.hierarchies = {{"/c", "", "", {"memory", "pids"}}};
    const CgroupStats stats =
        read(host, {"/g"},
             {{"/g/cpu.stat", "usage_usec 10\nuser_usec 4\nsystem_usec 6\nnr_periods 1\nthrottled_usec 3\n"},
              {"/g/memory.current", "4096\n"},
              {"/g/memory.max", "max\n"},
              {"/g/memory.events", "low 0\nmax 4\noom 2\noom_kill 1\n"},
              {"/g/memory.stat", "anon 5\ninactive_file 6\nworkingset_refault_anon 1\nworkingset_refault_file 2\n"},
              {"/g/pids.current", "3\n"},
              {"/g/pids.max", "55\n"},
              {"/g/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n\n259:1 \n"}});
    EXPECT_EQ(stats.cpu.total, 10'000u);
    EXPECT_EQ(stats.cpu.throttled_time, 3'000u);
    EXPECT_EQ(stats.memory.limit, UINT64_MAX);
    EXPECT_EQ(stats.memory.failures, 2u);
    EXPECT_EQ(counted(stats, "workingset_refault"), 3u);
    EXPECT_EQ(stats.pids_limit, 55u);
    ASSERT_EQ(stats.io_bytes.size(), 4u);
    EXPECT_EQ(stats.io_bytes[1].operation, "write");
    EXPECT_EQ(stats.io_bytes[1].value, 2u);
    EXPECT_EQ(stats.io_bytes[2].major, 259u);
}

TEST(CgroupStats, what_is_not_as_expected_counts_as_nothing) {
    CgroupHost host;
    host.v2 = true;
    host.hierarchies = {{"/c", "", "", {"memory"}}};
    for (const char* text : {"", "\n", "x", ":", "8:0", "= = =", "99999999999999999999999\n", "\0\0"}) {
        CgroupStats stats;
        for (const CgroupStatsFile& file : cgroup_stats_files(host, {"/g"})) file.take(text, stats);
        EXPECT_EQ(stats.memory.usage, 0u) << text;
        EXPECT_EQ(stats.cpu.total, 0u) << text;
    }
}

TEST(HostCpu, the_first_seven_fields_and_the_processors) {
    const HostCpu cpu = parse_host_cpu("cpu  1 2 3 4 5 6 7 100 100 100\ncpu0 1 2\ncpu1 1 2\nintr 5\n");
    EXPECT_EQ(cpu.total, 280'000'000u);
    EXPECT_EQ(cpu.online, 2u);
    EXPECT_EQ(parse_host_cpu("").online, 0u);
}

TEST(InterfaceCounts, one_for_each_line_behind_the_headings) {
    const auto counts = parse_interface_counts("Inter-|   Receive\n face |bytes    packets\n"
                                               "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                                               "  eth0:11 12 13 14 0 0 0 0 19 20 21 22 0 0 0 0\n");
    ASSERT_EQ(counts.size(), 2u);
    EXPECT_EQ(counts[1].name, "eth0");
    EXPECT_EQ(counts[1].rx_bytes, 11u);
    EXPECT_EQ(counts[1].rx_dropped, 14u);
    EXPECT_EQ(counts[1].tx_bytes, 19u);
    EXPECT_EQ(counts[1].tx_dropped, 22u);
}

}  // namespace
}  // namespace engine::runtime
