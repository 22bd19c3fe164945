// What engine and keeper say to each other over a SOCK_SEQPACKET socket: one packet, one message, plain structs. Both
// ends include this header; it is pure and needs no library. Descriptors travel by SCM_RIGHTS in the order of their
// bits in `fds`, lowest bit first.
//
//   engine -> keeper   START id fds plan   EXEC id fds container plan   HOLD id fd   FORGET id   CLOSE_STDIN id
//                      LIST   GOODBYE
//   keeper -> engine   HELLO on accept; STARTED pid (+pidfd) or FAILED errno for each START and EXEC; EXITED id status
//                      time; LISTED for each container and exec it holds (+fds), then LIST_END
//
// START makes a container's first process, EXEC a process joined to a container that runs. Both are held under an id
// of their own until they are forgotten.
//
// `dockercd-keeper SOCKET LOCK` returns 0 when the socket listens (the keeper itself goes on in the background), 3 when
// another keeper holds LOCK, 1 with a sentence on stderr otherwise. One engine at a time: a new connection replaces
// the old one. After HELLO the engine sends LIST; exits that happened before are in LISTED, not repeated as EXITED.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engine::runtime {

// Said in HELLO. A keeper outlives engines: a newer engine speaks to every keeper from the oldest version on. Raised
// when a message changes; the oldest when a version's containers can no longer be taken over.
// 2: EXEC and HOLD, notes.
constexpr uint32_t kKeeperVersion = 2;
constexpr uint32_t kKeeperVersionExec = 2;  // the first that knows EXEC
constexpr uint32_t kKeeperVersionOldest = 1;
constexpr size_t kContainerIdLength = 64;
constexpr size_t kPlanInline = 64 * 1024;      // a longer plan travels in a memfd (kFdPlan)
constexpr size_t kPlanLimit = 4 * 1024 * 1024;

enum class KeeperMessage : uint32_t {
    // engine -> keeper
    start = 1,
    forget,       // drop the record and the held descriptors of an exited (or failed) container
    close_stdin,  // close the held copy of the container's stdin
    list,
    goodbye,      // the engine leaves for good: the keeper ends when it holds nothing
    exec,         // KeeperExecTarget follows the request, then the plan
    hold,         // kFdStdin: the pty master that an exec's child has made and sent to the engine
    // keeper -> engine
    hello = 100,
    started,
    failed,
    exited,
    listed,
    list_end,
};

// Bits of `fds`.
enum KeeperFd : uint32_t {
    // START: the child's ends. The keeper closes them after the clone. With a pty the slave is sent as kFdChildStdin
    // only,
    // with kFdTty set in `flags` of the plan; missing ends become /dev/null.
    kFdChildStdin = 1u << 0,
    kFdChildStdout = 1u << 1,
    kFdChildStderr = 1u << 2,
    kFdStatus = 1u << 3,  // write end of the status pipe: LaunchFailure, or end-of-file when execve is done
    // START and LISTED: copies of the engine's ends, held for the next engine.
    kFdStdin = 1u << 4,   // write end; the master when the container has a pty
    kFdStdout = 1u << 5,  // read end
    kFdStderr = 1u << 6,  // read end
    // STARTED and LISTED
    kFdPidfd = 1u << 7,
    // START
    kFdNetns = 1u << 8,  // the network namespace that PlanOp::setns_fd enters
    // START and EXEC
    kFdPlan = 1u << 9,   // the plan in a memfd instead of behind the struct
    // EXEC and LISTED: what the next engine needs to know of it, in a memfd. The keeper does not look inside.
    kFdNote = 1u << 10,
};
constexpr int kKeeperFdKinds = 11;
constexpr uint32_t kFdHeld = kFdStdin | kFdStdout | kFdStderr;

// engine -> keeper; START is followed in the same packet by `plan_length` bytes unless kFdPlan is set.
struct KeeperRequest {
    KeeperMessage type;
    uint32_t fds;
    char id[kContainerIdLength];
    uint32_t plan_length;
    uint32_t reserved;
};
static_assert(sizeof(KeeperRequest) == 80);

// Behind the request of EXEC.
struct KeeperExecTarget {
    char container[kContainerIdLength];
};

enum KeeperState : uint32_t {
    kStateRunning = 1,
    kStateExited = 2,
    kStateExec = 1u << 8,  // beside one of these: it is an exec
};

// keeper -> engine
struct KeeperReply {
    KeeperMessage type;
    uint32_t fds;
    char id[kContainerIdLength];
    int32_t pid;          // STARTED, LISTED, EXITED
    int32_t error;        // FAILED: errno of the clone or of an operation done in the keeper; HELLO: 0
    int32_t wait_status;  // EXITED, LISTED: as of waitpid(2)
    uint32_t state;       // LISTED, EXITED: KeeperState; HELLO: kKeeperVersion; LIST_END: number of containers
    int64_t started_ns;   // CLOCK_REALTIME of the clone
    int64_t exited_ns;    // CLOCK_REALTIME when reaped; 0 while running
};
static_assert(sizeof(KeeperReply) == 104);

// What a child that cannot go on writes to the status pipe before _exit(127). With op_index kTerminalMade it is no
// failure: the descriptor that comes with it is the master of the terminal (PlanOp::pty; the status pipe is a socket
// then).
constexpr uint32_t kTerminalMade = UINT32_MAX;
struct LaunchFailure {
    uint32_t op_index;  // index of the operation in the plan
    uint32_t step;      // LaunchStep
    int32_t error;      // errno
    uint32_t detail;    // the operation's own: e.g. a capability number or a supplementary group
};
static_assert(sizeof(LaunchFailure) == 16);

// Where in its operation a child failed. Most have one step only.
enum class LaunchStep : uint32_t {
    call = 0,          // the operation's own system call
    open_source,       // bind source, file to be read
    make_target,       // creating the mount point
    open_target,       // resolving the mount point
    bad_plan,          // the plan could not be decoded
    user_not_found,    // not in /etc/passwd
    group_not_found,   // not in /etc/group
    id_out_of_range,
    set_groups,
    set_gid,
    set_uid,
    bounding,
    keep_caps,
    set_caps,
    stdio,             // placing the standard descriptors
    not_found_in_path, // execve: no candidate in PATH
    tty,
    outside_root,      // the working directory is not below the container's root
    null_device,       // the container's /dev/null
};

}  // namespace engine::runtime
