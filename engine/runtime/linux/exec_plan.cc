#include "engine/runtime/linux/exec_plan.h"

#include <sched.h>

#include "engine/reactor/try.h"
#include "engine/runtime/linux/plan_writer.h"

namespace engine::runtime {
namespace {

// All that the container's first process has; one it shares with the host is joined again, which changes nothing. The
// pid namespace is the keeper's matter.
constexpr uint64_t joined = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;

constexpr int exit_code_not_invocable = 126, exit_code_not_found = 127, exit_code_other = 128;

bool has(std::string_view text, std::string_view words) { return text.find(words) != std::string_view::npos; }

}  // namespace

Result<std::string> make_exec_plan(const ExecInput& in) {
    TRY_VOID(check_process(in));
    PlanWriter plan(0);
    for (const std::string& directory : in.cgroups) {
        if (in.cgroup_v2) {
            plan.add(PlanOp::cgroup_enter, {}, {directory}, kOpInKeeper);
        } else {
            plan.add(PlanOp::write_file, {}, {directory + "/cgroup.procs", "0"});
        }
    }
    add_oom_score(plan, in);
    plan.add(PlanOp::join, {joined}, {});
    if (in.tty) plan.add(PlanOp::pty, {in.rows, in.columns}, {});
    add_process(plan, in);
    std::string bytes = std::move(plan).finish();
    if (bytes.size() > kPlanLimit) return fail(ErrorKind::invalid, "argument list too long");
    return bytes;
}

LaunchError describe_exec_failure(std::string_view plan, const LaunchFailure& failure) {
    LaunchError error = describe_failure(plan, failure, LaunchKind::exec);
    const std::string_view text = error.message;
    error.exit_code = exit_code_other;
    if (has(text, "permission denied") || has(text, "is a directory")) {
        error.exit_code = exit_code_not_invocable;
    } else if (has(text, "not a directory")) {
        error.message +=
            ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path "
            "exists and is the expected type";
        error.exit_code = exit_code_not_found;
    } else if (has(text, "executable file not found") || has(text, "no such file or directory")) {
        error.exit_code = exit_code_not_found;
    } else if (has(text, "unable to find") || has(text, "must be in range")) {
        error.exit_code = exit_code_not_invocable;  // found before runc is asked
    }
    return error;
}

}  // namespace engine::runtime
