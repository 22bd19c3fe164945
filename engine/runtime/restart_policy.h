// When a container that has ended is started again, and after which pause: dockerd's rules. Pure.
#pragma once

#include "engine/reactor/result.h"
#include "engine/reactor/units.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

constexpr Nanoseconds restart_pause_first = 100 * millisecond;
constexpr Nanoseconds restart_pause_most = 60 * second;
constexpr Nanoseconds restart_run_settled = 10 * second;   // who ran as long begins anew with the first pause

bool has_restart_policy(const RestartPolicy& policy);   // other than "no"

// `restarts` were made since somebody asked for the start; `manually_stopped`: a signal was sent on request since then.
bool should_restart(const RestartPolicy& policy, int exit_code, int restarts, bool manually_stopped);

// The pause before the next start, from that before the last one (0: none) and how long the run took.
Nanoseconds next_restart_pause(Nanoseconds last, Nanoseconds ran);

// At create and update; dockerd's words.
Result<void> check_restart_policy(const RestartPolicy& policy);

}  // namespace engine::runtime
