// The pure parts of engine/runtime/linux.
#include <gtest/gtest.h>
#include <linux/filter.h>

#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/linux/cgroup.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/passwd.h"
#include "engine/runtime/linux/plan_writer.h"
#include "engine/runtime/linux/seccomp.h"

namespace engine::runtime {
namespace {

Text text(const std::string& from) { return Text{from.data(), from.size()}; }

TEST(PlanWriter, WhatIsWrittenIsRead) {
    PlanWriter writer(0x20000000, kPlanTty);
    writer.add(PlanOp::make_dir, {0755}, {"/a/b"}, kOpParents);
    writer.begin(PlanOp::seccomp);
    writer.number(7);
    writer.bytes(std::string(16, '\0'));
    writer.end();
    std::string plan = std::move(writer).finish();
    ASSERT_TRUE(plan_valid(plan.data(), plan.size()));
    size_t at = sizeof(PlanHeader);
    PlanStep first = plan_next(plan.data(), at);
    EXPECT_EQ(first.code, PlanOp::make_dir);
    EXPECT_EQ(first.flags, kOpParents);
    PlanReader in(first.payload, first.length);
    EXPECT_EQ(in.number(), 0755u);
    EXPECT_STREQ(in.string(), "/a/b");
    EXPECT_TRUE(in.ok());
    EXPECT_STREQ(in.string(), "");
    EXPECT_FALSE(in.ok());
    PlanStep second = plan_next(plan.data(), at);
    EXPECT_EQ(second.length, 24u);
    EXPECT_EQ(at, plan.size());
}

TEST(PlanWriter, DamagedPlansAreRefused) {
    PlanWriter writer(0);
    writer.add(PlanOp::hostname, {}, {"host"});
    std::string plan = std::move(writer).finish();
    for (size_t cut = 0; cut < plan.size(); ++cut) EXPECT_FALSE(plan_valid(plan.data(), cut));
    std::string broken = plan;
    broken[sizeof(PlanHeader) + 4] = 120;
    EXPECT_FALSE(plan_valid(broken.data(), broken.size()));
    broken = plan;
    broken[sizeof(PlanHeader)] = 127;
    EXPECT_FALSE(plan_valid(broken.data(), broken.size()));
}

struct UserCase {
    const char* spec;
    UserOutcome outcome;
    uint32_t uid, gid;
    size_t groups;
};

TEST(Passwd, DockersRules) {
    std::string passwd =
        "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:5:5:::\nann:x:1000:100::/home/ann:\n7:x:2000:7::/seven:\n";
    std::string group = "root:x:0:\nusers:x:100:\nwheel:x:10:root,ann\naudio:x:29:bob,ann,carl\n";
    const UserCase cases[] = {
        {"", UserOutcome::ok, 0, 0, 2},           {"root", UserOutcome::ok, 0, 0, 2},
        {"ann", UserOutcome::ok, 1000, 100, 3},   {"1000", UserOutcome::ok, 1000, 100, 3},
        {"1001", UserOutcome::ok, 1001, 0, 1},    {"ann:audio", UserOutcome::ok, 1000, 29, 1},
        {"ann:777", UserOutcome::ok, 1000, 777, 1}, {"7", UserOutcome::ok, 2000, 7, 1},
        {"bob", UserOutcome::user_not_found, 0, 0, 0}, {"ann:none", UserOutcome::group_not_found, 0, 0, 0},
        {"4294967296", UserOutcome::out_of_range, 0, 0, 0}, {"0:2147483648", UserOutcome::out_of_range, 0, 0, 0},
    };
    for (const UserCase& c : cases) {
        ResolvedUser user;
        EXPECT_EQ(resolve_user(c.spec, text(passwd), text(group), user), c.outcome) << c.spec;
        if (c.outcome != UserOutcome::ok) continue;
        EXPECT_EQ(user.uid, c.uid) << c.spec;
        EXPECT_EQ(user.gid, c.gid) << c.spec;
        EXPECT_EQ(user.group_count, c.groups) << c.spec;
    }
}

TEST(Capabilities, AddDropPrivileged) {
    EXPECT_EQ(default_capabilities(), 0xa80425fbu);
    EXPECT_EQ(*container_capabilities({}, {}, false), 0xa80425fbu);
    EXPECT_EQ(*container_capabilities({"net_admin"}, {"ALL"}, false), uint64_t{1} << 12);
    EXPECT_EQ(*container_capabilities({"ALL"}, {"CAP_SYS_ADMIN"}, false), all_capabilities() & ~(uint64_t{1} << 21));
    EXPECT_EQ(*container_capabilities({}, {"mknod"}, false), 0xa80425fbu & ~(1u << 27));
    EXPECT_EQ(*container_capabilities({}, {}, true), all_capabilities());
    auto unknown = container_capabilities({"foo"}, {}, false);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().message(), "invalid CapAdd: unknown capability: \"CAP_FOO\"");
}

TEST(Seccomp, ProfilesCompile) {
    auto filter = compile_seccomp(default_seccomp_profile(), default_capabilities());
    ASSERT_TRUE(filter) << filter.error().message();
    EXPECT_EQ(filter->size() % sizeof(sock_filter), 0u);
    EXPECT_GT(filter->size(), 100 * sizeof(sock_filter));
    EXPECT_LT(filter->size(), BPF_MAXINSNS * sizeof(sock_filter));
    EXPECT_NE(*filter, *compile_seccomp(default_seccomp_profile(), all_capabilities()));
    EXPECT_FALSE(compile_seccomp("{", 0));
    EXPECT_FALSE(compile_seccomp("{\"defaultAction\":\"NONE\"}", 0));
    EXPECT_TRUE(compile_seccomp("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"chmod\",\"action\":"
                             "\"SCMP_ACT_ERRNO\"}]}", 0));
}

TEST(Cgroup, HybridIsV1AndLimitsAreSpelledForEach) {
    CgroupHost v1 = parse_cgroup_mounts(
        "1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n2 0 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - "
        "cgroup "
        "cgroup rw,cpu,cpuacct\n3 0 0:3 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n4 0 0:4 / "
        "/sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    EXPECT_FALSE(v1.v2);
    ASSERT_EQ(v1.hierarchies.size(), 3u);
    EXPECT_EQ(v1.hierarchies[1].options, "cpu,cpuacct");
    EXPECT_EQ(v1.hierarchies[2].options, "none,name=systemd");
    CgroupLimits limits;
    limits.memory = 1 << 20;
    limits.cpu_shares = 1024;
    auto groups = container_cgroups(v1, "docker", "id", limits);
    EXPECT_EQ(groups[0].writes[0].path, "/sys/fs/cgroup/memory/docker/id/memory.limit_in_bytes");
    EXPECT_EQ(groups[0].writes[1].value, "2097152");

    CgroupHost v2 = parse_cgroup_mounts("1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    EXPECT_TRUE(v2.v2);
    limits.cpu_quota = 50000;
    groups = container_cgroups(v2, "/docker", "id", limits);
    ASSERT_EQ(groups.size(), 1u);
    ASSERT_EQ(groups[0].writes.size(), 4u);
    EXPECT_EQ(groups[0].writes[2].value, "39");
    EXPECT_EQ(groups[0].writes[3].value, "50000 100000");
}

TEST(LaunchPlan, RefusesWhatNoChildCouldRun) {
    LaunchInput input;
    EXPECT_FALSE(make_launch_plan(input));
    input.argv = {std::string("a\0b", 3)};
    EXPECT_FALSE(make_launch_plan(input));
    input.argv = {"a"};
    input.cwd = "relative";
    EXPECT_FALSE(make_launch_plan(input));
}

}  // namespace
}  // namespace engine::runtime
