#include "engine/runtime/spec_update.h"

#include <gtest/gtest.h>

#include "engine/runtime/resource_check.h"
#include "engine/runtime/spec_json.h"

namespace engine::runtime {
namespace {

ContainerSpec spec_of(const std::string& host_config) {
    auto spec = parse_create_body(R"({"Image":"x","HostConfig":)" + host_config + "}");
    EXPECT_TRUE(spec);
    complete_resources(*spec);
    return std::move(*spec);
}

std::string refusal(const ContainerSpec& spec, const std::string& body) {
    const auto wanted = parse_update_body(body);
    if (!wanted) return wanted.error().message();
    const auto merged = merge_update(spec, *wanted);
    return merged ? "" : merged.error().message();
}

TEST(SpecUpdate, what_is_named_changes_and_the_rest_stays) {
    const auto spec = spec_of(R"({"Memory":67108864,"CpuShares":512,"Binds":["/a:/b"]})");
    EXPECT_EQ(spec.memory_swap, 134217728);
    const auto wanted = parse_update_body(R"({"Memory":33554432,"PidsLimit":-5,"RestartPolicy":{"Name":"always"}})");
    const auto merged = merge_update(spec, *wanted);
    ASSERT_TRUE(merged);
    EXPECT_EQ(merged->memory, 33554432);
    EXPECT_EQ(merged->memory_swap, 134217728);
    EXPECT_EQ(merged->cpu_shares, 512);
    EXPECT_EQ(merged->pids_limit, 0);
    EXPECT_EQ(merged->restart.name, "always");
    EXPECT_EQ(merged->binds, std::vector<std::string>{"/a:/b"});
    const std::string shown = complete_host_config(*merged);
    EXPECT_NE(shown.find(R"("Memory":33554432)"), std::string::npos);
    EXPECT_NE(shown.find(R"("RestartPolicy":{"Name":"always","MaximumRetryCount":0})"), std::string::npos);
    const auto nothing = merge_update(*merged, *parse_update_body("{}"));
    ASSERT_TRUE(nothing);
    EXPECT_EQ(spec_text(*nothing), spec_text(*merged));
}

TEST(SpecUpdate, conflicts_are_dockerds) {
    EXPECT_EQ(refusal(spec_of("{}"), R"({"Memory":67108864})"),
              "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same "
              "time");
    EXPECT_EQ(refusal(spec_of("{}"), R"({"Memory":67108864,"MemorySwap":-1})"), "");
    EXPECT_EQ(refusal(spec_of(R"({"CpuPeriod":50000})"), R"({"NanoCpus":1000000000})"),
              "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    EXPECT_EQ(refusal(spec_of(R"({"NanoCpus":1000000000})"), R"({"CpuQuota":5000})"),
              "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    EXPECT_EQ(refusal(spec_of(R"({"AutoRemove":true})"), R"({"RestartPolicy":{"Name":"always"}})"),
              "Restart policy cannot be updated because AutoRemove is enabled for the container");
}

TEST(SpecUpdate, bodies_of_wrong_shape) {
    const auto spec = spec_of("{}");
    EXPECT_EQ(refusal(spec, R"({"Memory":"much"})"),
              "invalid JSON: json: cannot unmarshal string into Go struct field UpdateConfig.Memory of type int64");
    EXPECT_EQ(refusal(spec, "[]"),
              "invalid JSON: json: cannot unmarshal array into Go value of type container.UpdateConfig");
    EXPECT_EQ(refusal(spec, ""), "invalid JSON: got EOF while reading request body");
    EXPECT_NE(refusal(spec, "{"), "");
}

CgroupSupport everything() {
    CgroupSupport can;
    can.memory = can.swap = can.reservation = can.swappiness = can.oom_kill_disable = true;
    can.cpu_shares = can.cpu_cfs = can.cpuset = can.pids = can.blkio_weight = true;
    can.cpus = "0-3";
    can.mems = "0";
    return can;
}

std::string resource_refusal(const std::string& body, bool update) {
    auto wanted = parse_update_body(body);
    const auto checked = check_resources(*wanted, everything(), update);
    return checked ? "" : checked.error().message();
}

TEST(Resources, absurd_limits) {
    EXPECT_EQ(resource_refusal(R"({"Memory":-1})", true), "Minimum memory limit allowed is 6MB");
    EXPECT_EQ(resource_refusal(R"({"Memory":4096})", true), "Minimum memory limit allowed is 6MB");
    EXPECT_EQ(resource_refusal(R"({"Memory":9223372036854775807})", true), "");
    EXPECT_EQ(resource_refusal(R"({"Memory":67108864,"MemorySwap":8388608})", true),
              "Minimum memoryswap limit should be larger than memory limit, see usage");
    EXPECT_EQ(resource_refusal(R"({"MemorySwap":8388608})", true), "");
    EXPECT_EQ(resource_refusal(R"({"MemorySwap":8388608})", false),
              "You should always set the Memory limit when using Memoryswap limit, see usage");
    EXPECT_EQ(resource_refusal(R"({"MemorySwappiness":101})", false),
              "Invalid value: 101, valid memory swappiness range is 0-100");
    EXPECT_EQ(resource_refusal(R"({"MemorySwappiness":-1})", false), "");
    EXPECT_EQ(resource_refusal(R"({"BlkioWeight":9})", true), "Range of blkio weight is from 10 to 1000");
    EXPECT_EQ(resource_refusal(R"({"BlkioWeight":-9})", true), "Range of blkio weight is from 10 to 1000");
    EXPECT_EQ(resource_refusal(R"({"CpusetCpus":"4"})", true),
              "Requested CPUs are not available - requested 4, available: 0-3");
    EXPECT_EQ(resource_refusal(R"({"CpusetCpus":"0-"})", true),
              "Invalid value 0- for cpuset cpus: invalid format: 0-");
    EXPECT_EQ(resource_refusal(R"({"CpusetMems":"0,1"})", true),
              "Requested memory nodes are not available - requested 0,1, available: 0");
    EXPECT_EQ(resource_refusal(R"({"CpuPeriod":999})", true),
              "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    EXPECT_EQ(resource_refusal(R"({"CpuShares":-1})", true),
              "invalid CPU shares (-1): value must be a positive integer");
}

TEST(Resources, what_the_kernel_lacks_is_told_and_left_out) {
    auto spec = spec_of(R"({"Memory":67108864,"MemorySwappiness":5,"OomKillDisable":true,"BlkioWeight":100})");
    CgroupSupport can = everything();
    can.swap = can.swappiness = can.oom_kill_disable = can.blkio_weight = false;
    const auto warnings = check_resources(spec, can, false);
    ASSERT_TRUE(warnings);
    EXPECT_EQ(warnings->size(), 4U);
    EXPECT_EQ((*warnings)[0], "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
                              "Memory limited without swap.");
    EXPECT_EQ(spec.memory_swap, -1);
    EXPECT_FALSE(spec.memory_swappiness || spec.oom_kill_disable || spec.blkio_weight != 0);
    const auto again = parse_spec(spec_text(spec));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->memory_swap, -1);
    EXPECT_EQ(again->blkio_weight, 0);
}

}  // namespace
}  // namespace engine::runtime
