// What an exec's child is told to do, in which order, and what is said when it could not.
#include <gtest/gtest.h>
#include <sched.h>

#include "engine/runtime/linux/exec_plan.h"
#include "engine/runtime/linux/plan.h"

namespace engine::runtime {
namespace {

ExecInput some_exec() {
    ExecInput in;
    in.argv = {"true"};
    in.make_cwd = false;
    in.cgroups = {"/sys/fs/cgroup/a/docker/x", "/sys/fs/cgroup/b/docker/x"};
    in.seccomp_bpf = std::string(8, '\0');
    return in;
}

std::vector<PlanStep> steps_of(const std::string& plan) {
    std::vector<PlanStep> steps;
    EXPECT_TRUE(plan_valid(plan.data(), plan.size()));
    for (size_t at = sizeof(PlanHeader); at < plan.size();) steps.push_back(plan_next(plan.data(), at));
    return steps;
}

std::vector<PlanOp> ops_of(const std::string& plan) {
    std::vector<PlanOp> ops;
    for (const PlanStep& step : steps_of(plan)) ops.push_back(step.code);
    return ops;
}

TEST(ExecPlan, GroupsAndScoreComeBeforeTheNamespaces) {
    const auto plan = make_exec_plan(some_exec());
    ASSERT_TRUE(plan);
    EXPECT_EQ(ops_of(*plan),
              (std::vector<PlanOp>{PlanOp::write_file, PlanOp::write_file, PlanOp::write_file, PlanOp::join,
                                   PlanOp::user, PlanOp::directory, PlanOp::umask, PlanOp::bounding, PlanOp::become,
                                   PlanOp::seccomp, PlanOp::capabilities, PlanOp::exec}));
    const auto steps = steps_of(*plan);
    PlanReader group(steps[1].payload, steps[1].length);
    EXPECT_STREQ(group.string(), "/sys/fs/cgroup/b/docker/x/cgroup.procs");
    PlanReader join(steps[3].payload, steps[3].length);
    EXPECT_EQ(join.number(), uint64_t{CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP});
    EXPECT_EQ(steps[5].flags, kOpMustExist) << "an exec's working directory is not made";
    PlanHeader header;
    memcpy(&header, plan->data(), sizeof header);
    EXPECT_EQ(header.clone_flags, 0u);
}

TEST(ExecPlan, OneGroupIsEnteredByTheCloneInV2) {
    ExecInput in = some_exec();
    in.cgroup_v2 = true;
    in.cgroups.resize(1);
    const auto plan = make_exec_plan(in);
    ASSERT_TRUE(plan);
    const auto steps = steps_of(*plan);
    EXPECT_EQ(steps[0].code, PlanOp::cgroup_enter);
    EXPECT_EQ(steps[0].flags, kOpInKeeper);
}

TEST(ExecPlan, TheTerminalIsMadeInside) {
    ExecInput in = some_exec();
    in.tty = true;
    in.rows = 25;
    in.columns = 80;
    const auto plan = make_exec_plan(in);
    ASSERT_TRUE(plan);
    const auto steps = steps_of(*plan);
    ASSERT_EQ(steps[4].code, PlanOp::pty);
    PlanReader pty(steps[4].payload, steps[4].length);
    EXPECT_EQ(pty.number(), 25u);
    EXPECT_EQ(pty.number(), 80u);
}

TEST(ExecPlan, WithoutNewPrivilegesTheFilterComesLast) {
    ExecInput in = some_exec();
    in.no_new_privs = true;
    const auto plan = make_exec_plan(in);
    ASSERT_TRUE(plan);
    const auto ops = ops_of(*plan);
    EXPECT_EQ(std::vector<PlanOp>(ops.end() - 4, ops.end()),
              (std::vector<PlanOp>{PlanOp::capabilities, PlanOp::no_new_privs, PlanOp::seccomp, PlanOp::exec}));
}

TEST(ExecPlan, Refused) {
    ExecInput in = some_exec();
    in.argv.clear();
    EXPECT_FALSE(make_exec_plan(in));
    in = some_exec();
    in.cwd = "here";
    EXPECT_FALSE(make_exec_plan(in));
    in = some_exec();
    in.argv.emplace_back("a\0b", 3);
    EXPECT_FALSE(make_exec_plan(in));
    in = some_exec();
    in.argv.emplace_back(kPlanLimit, 'x');
    EXPECT_FALSE(make_exec_plan(in));
}

LaunchError described(const ExecInput& in, PlanOp where, LaunchStep step, int error) {
    const auto plan = make_exec_plan(in);
    EXPECT_TRUE(plan);
    const auto ops = ops_of(*plan);
    const auto index = std::find(ops.begin(), ops.end(), where) - ops.begin();
    return describe_exec_failure(*plan, {static_cast<uint32_t>(index), static_cast<uint32_t>(step), error, 0});
}

TEST(ExecPlan, FailuresInWords) {
    const std::string prefix = "OCI runtime exec failed: exec failed: unable to start container process: ";
    struct Case {
        PlanOp op;
        LaunchStep step;
        int error;
        int code;
        const char* text;
    };
    const Case cases[] = {
        {PlanOp::exec, LaunchStep::not_found_in_path, ENOENT, 127,
         "exec: \"true\": executable file not found in $PATH: unknown"},
        {PlanOp::exec, LaunchStep::call, EACCES, 126, "exec: \"true\": permission denied: unknown"},
        {PlanOp::exec, LaunchStep::call, EISDIR, 126, "exec: \"true\": is a directory: unknown"},
        {PlanOp::exec, LaunchStep::call, ENAMETOOLONG, 128, "exec: \"true\": file name too long: unknown"},
        {PlanOp::directory, LaunchStep::call, ENOENT, 127,
         "chdir to cwd (\"/\") set in config.json failed: no such file or directory: unknown"},
        {PlanOp::directory, LaunchStep::outside_root, EACCES, 128,
         "current working directory is outside of container mount namespace root -- possible container breakout "
         "detected: unknown"},
    };
    for (const Case& c : cases) {
        const LaunchError error = described(some_exec(), c.op, c.step, c.error);
        EXPECT_EQ(error.message, prefix + c.text);
        EXPECT_EQ(error.exit_code, c.code) << c.text;
    }
    ExecInput in = some_exec();
    in.user = "bob:staff";
    EXPECT_EQ(described(in, PlanOp::user, LaunchStep::user_not_found, ENOENT).message,
              "unable to find user bob: no matching entries in passwd file");
    EXPECT_EQ(described(in, PlanOp::user, LaunchStep::group_not_found, ENOENT).exit_code, 126);
    EXPECT_EQ(describe_exec_failure("damaged", {0, 0, 0, 0}).exit_code, 128);
}

}  // namespace
}  // namespace engine::runtime
