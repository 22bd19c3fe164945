// One container: what it was asked to be, what it is, and what is held for it while it runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"
#include "engine/runtime/container_spec.h"
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
};

// What a running container holds. release() in the supervisor gives everything back, for the failed start and the exit.
struct HeldResources {
    bool keeper = false;           // the keeper has a record of it
    bool cgroups = false;          // may have been made
    UniqueFd pidfd;
    UniqueFd stdin_end;            // our write end, or the pty master
    std::shared_ptr<Output> output;
};

struct Container {
    std::string id;
    std::string name;              // without slash
    std::string image_id;
    Nanoseconds created_at = 0;
    ContainerSpec spec;
    ContainerState state;
    HeldResources held;
    reactor::Lane lane;            // one verb at a time
    reactor::Event keeper_exit;    // set when the keeper has told the end of this run
    reactor::Event exited;         // notified at each end of a run, after everything is released and recorded
    reactor::Event removed;        // set once it is gone
    std::uint64_t run = 0;         // counts the starts of this engine's time: tells one run from the next
    bool removing = false;         // a removal has begun: no other, no start
    bool restarted_by_hand = false;  // between the stop and the start of `docker restart`: no auto-removal
    bool leaving = false;          // the last run's control groups are being removed: a start waits
    reactor::Event left;           // notified when they are gone
    int wait_status = 0;           // of the run that ended
    Nanoseconds wait_status_at = 0;
    // Clients that attached before the start: handed to the output when it exists.
    reactor::IntrusiveList<Attachment> early;
    reactor::Event started;        // notified when held.output is there

    std::vector<std::string> exec_ids;  // execs that run or were not started yet, in the order of their creation
    bool had_execs = false;             // there may be records of ended ones, too

    // Its process is there.
    bool running() const { return state.status == ContainerStatus::running || state.status == ContainerStatus::paused; }
};

}  // namespace engine::runtime
