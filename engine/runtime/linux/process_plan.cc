#include "engine/runtime/linux/process_plan.h"

#include "engine/reactor/try.h"
#include "engine/runtime/linux/plan_writer.h"

namespace engine::runtime {
namespace {

constexpr size_t groups_add_max = 64;

void add_seccomp(PlanWriter& plan, const ProcessInput& in) {
    if (in.seccomp_bpf.empty()) return;
    plan.begin(PlanOp::seccomp);
    plan.number(0);
    plan.bytes(in.seccomp_bpf);
    plan.end();
}

}  // namespace

Result<void> check_text(std::string_view text, std::string_view what) {
    if (text.find('\0') == std::string_view::npos) return {};
    return fail(ErrorKind::invalid, std::string(what) + " contains a NUL byte");
}

Result<void> check_process(const ProcessInput& in) {
    if (in.argv.empty()) return fail(ErrorKind::invalid, "no command specified");
    for (const auto& text : in.argv) {
        TRY_VOID(check_text(text, "command"));
    }
    for (const auto& text : in.env) {
        TRY_VOID(check_text(text, "environment variable"));
    }
    TRY_VOID(check_text(in.cwd, "working directory"));
    TRY_VOID(check_text(in.user, "user"));
    if (in.cwd.empty() || in.cwd[0] != '/') {
        return fail(ErrorKind::invalid,
                    "the working directory '" + in.cwd + "' is invalid, it needs to be an absolute path");
    }
    if (in.groups_add.size() > groups_add_max) return fail(ErrorKind::invalid, "too many additional groups");
    return {};
}

void add_oom_score(PlanWriter& plan, const ProcessInput& in) {
    plan.add(PlanOp::write_file, {}, {"/proc/self/oom_score_adj", std::to_string(in.oom_score_adj)},
             in.oom_score_adj == 0 ? kOpIgnoreErrors : uint16_t{0});
}

void add_process(PlanWriter& plan, const ProcessInput& in) {
    for (const auto& r : in.rlimits)
        plan.add(PlanOp::rlimit, {static_cast<uint64_t>(r.resource), r.soft, r.hard}, {});
    plan.begin(PlanOp::user);
    plan.number(in.groups_add.size());
    for (uint32_t group : in.groups_add) plan.number(group);
    plan.string(in.user);
    plan.end();
    plan.add(PlanOp::directory, {0755}, {in.cwd}, in.make_cwd ? uint16_t{0} : kOpMustExist);
    plan.add(PlanOp::umask, {022}, {});
    plan.add(PlanOp::bounding, {in.capabilities}, {});
    plan.add(PlanOp::become, {}, {});
    if (in.no_new_privs) {
        // The filter comes last, when it needs no privilege any more.
        plan.add(PlanOp::capabilities, {in.capabilities, 0, 0}, {});
        plan.add(PlanOp::no_new_privs, {}, {});
        add_seccomp(plan, in);
    } else {
        add_seccomp(plan, in);
        plan.add(PlanOp::capabilities, {in.capabilities, 0, 0}, {});
    }
    plan.begin(PlanOp::exec);
    plan.number(in.argv.size());
    plan.number(in.env.size());
    for (const auto& text : in.argv) plan.string(text);
    for (const auto& text : in.env) plan.string(text);
    plan.end();
}

}  // namespace engine::runtime
