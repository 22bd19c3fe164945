#include "engine/runtime/restart_policy.h"

#include <algorithm>

namespace engine::runtime {

bool has_restart_policy(const RestartPolicy& policy) { return !policy.name.empty() && policy.name != "no"; }

bool should_restart(const RestartPolicy& policy, int exit_code, int restarts, bool manually_stopped) {
    if (policy.name == "always") return true;
    if (policy.name == "unless-stopped") return !manually_stopped;
    if (policy.name != "on-failure") return false;
    const std::int64_t most = policy.maximum_retry_count;
    return exit_code != 0 && (most == 0 || restarts < most);
}

Nanoseconds next_restart_pause(Nanoseconds last, Nanoseconds ran) {
    if (last <= 0 || ran >= restart_run_settled) return restart_pause_first;
    return std::min(last * 2, restart_pause_most);
}

Result<void> check_restart_policy(const RestartPolicy& policy) {
    const auto bad = [](std::string text) {
        return fail(ErrorKind::invalid, "invalid restart policy: " + std::move(text));
    };
    const std::int64_t most = policy.maximum_retry_count;
    if (policy.name.empty()) return {};
    if (policy.name == "on-failure") {
        if (most < 0) return bad("maximum retry count cannot be negative");
        return {};
    }
    if (policy.name != "no" && policy.name != "always" && policy.name != "unless-stopped")
        return bad("unknown policy '" + policy.name +
                   "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
    if (most == 0) return {};
    return bad(std::string("maximum retry count can only be used with 'on-failure'") +
               (most < 0 ? " and cannot be negative" : ""));
}

}  // namespace engine::runtime
