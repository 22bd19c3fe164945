// One container: what it was asked to be, what it is, and what is held for it while it runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"
#include "engine/runtime/container_spec.h"
#include "engine/runtime/container_log.h"
#include "engine/runtime/output.h"

namespace engine::runtime {

// Rows hold the number: new ones go to the end.
enum class ContainerStatus : unsigned char { created, running, paused, exited, removing, dead, restarting };

struct ContainerState {
    ContainerStatus status = ContainerStatus::created;
    int pid = 0;
    int exit_code = 0;
    bool oom_killed = false;
    std::string error;
    Nanoseconds started_at = 0;   // CLOCK_REALTIME; 0: never
    Nanoseconds finished_at = 0;
    // What the restart policy goes by.
    int restarts = 0;              // by the policy, since somebody asked for the start
    bool manually_stopped = false; // a signal was sent on request since the last start
    bool restart_canceled = false; // ... that was to end it
    Nanoseconds restart_pause = 0; // before the last restart
    Nanoseconds restart_at = 0;    // restarting: when the next start is due (CLOCK_REALTIME)
    // What an engine that dies leaves to be done.
    Nanoseconds kill_at = 0;       // a stop waits: SIGKILL is due then; 0: none
    bool start_again = false;      // between the stop and the start of `docker restart`: no auto-removal
};

// What a running container holds. release() in the supervisor gives everything back, for the failed start and the exit.
struct HeldResources {
    bool keeper = false;           // the keeper has a record of it
    bool cgroups = false;          // may have been made
    UniqueFd pidfd;
    std::shared_ptr<UniqueFd> stdin_end;  // our write end, or the pty master; none when there is no stdin
    std::shared_ptr<Output> output;
};

struct ContainerNetwork;

struct Container {
    std::string id;
    std::string name;              // without slash
    std::string image_id;
    Nanoseconds created_at = 0;
    ContainerSpec spec;
    ContainerState state;
    HeldResources held;
    std::shared_ptr<ContainerNetwork> network;   // always there; what is held of networks is in it
    reactor::Lane lane;            // one verb at a time
    reactor::Event keeper_exit;    // set when the keeper has told the end of this run
    reactor::Event exited;         // notified at each end of a run, after everything is released and recorded
    reactor::Event removed;        // set once it is gone; notified when that failed, too
    std::string removal_error;     // why its last removal failed
    std::uint64_t failed_removals = 0;
    std::uint64_t run = 0;         // counts the starts of this engine's time: tells one run from the next
    bool removing = false;         // a removal has begun: no other, no start
    bool leaving = false;          // the last run's control groups are being removed: a start waits
    reactor::Event left;           // notified when they are gone
    reactor::Event restart_off;    // notified when a pending restart is not to be
    int wait_status = 0;           // of the run that ended
    int start_failure = 0;         // the exit code of the start under way, should it fail
    Nanoseconds wait_status_at = 0;
    // Clients that attached before the start: handed to the output when it exists.
    reactor::IntrusiveList<Attachment> early;
    std::shared_ptr<ContainerLog> log;   // since its first run in this engine's time; none when nothing is kept
    reactor::Event started;        // notified when held.output is there

    std::vector<std::string> exec_ids;  // execs that run or were not started yet, in the order of their creation
    bool had_execs = false;             // there may be records of ended ones, too

    // Its process is there.
    bool running() const { return state.status == ContainerStatus::running || state.status == ContainerStatus::paused; }
    // What Docker calls running: between two runs of a restart policy, too.
    bool active() const { return running() || state.status == ContainerStatus::restarting; }
};

}  // namespace engine::runtime
