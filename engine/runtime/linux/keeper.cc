// dockercd-keeper SOCKET LOCK: the parent of all containers and execs of one engine. It clones them out of a small
// address space, reaps them, and holds their descriptors, so that an engine that went away finds everything again. See
// keeper_protocol.h for what it says and launch_child.cc for what its children do.
//
// An exec is cloned by a keeper that has, for the moment of the clone, the container's pid namespace as the one of its
// children. A plain clone, neither CLONE_VM nor CLONE_VFORK: a container's process that may trace or signal its fellows
// (CAP_SYS_PTRACE, CAP_KILL) sees the child before execve, and through it would have our memory, or stop us.
//
// /proc/self/exe: until execve a child's executable is the keeper's, and a container must never reach it in a form
// that it could write (CVE-2019-5736). So the keeper re-executes itself from a sealed memfd before anything else, and
// it and its children before execve are not dumpable, which closes /proc/<pid>/{exe,root,fd,mem} and ptrace to them.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "engine/runtime/linux/keeper_protocol.h"
#include "engine/runtime/linux/keeper_request.h"
#include "engine/runtime/linux/launch_child.h"
#include "engine/runtime/linux/plan.h"

namespace engine::runtime {
namespace {

// ---- the table of containers and execs: one mapping that grows, slots reused; children do not inherit it ----

constexpr uint32_t kNone = UINT32_MAX;

enum Owed : uint8_t { kOweStarted = 1, kOweExited = 2, kOweListed = 4 };

struct Process {
    char id[kContainerIdLength];
    pid_t pid;  // 0: the slot is free; -1: the clone failed and FAILED is owed
    int pidfd;
    int fds[3];  // held copies: stdin, stdout, stderr
    int note;
    int wait_status;
    int error;
    uint8_t owed;  // Owed: messages the engine has not been sent yet
    bool exec;
    bool exited;
    bool forgotten;
    uint32_t next_owing;
    int64_t started_ns;
    int64_t exited_ns;
};

Process* table = nullptr;
uint32_t table_size = 0;
uint32_t used = 0;
uint32_t holding = 0;

// Slots that owe messages, in order.
uint32_t owing_head = kNone, owing_tail = kNone;

bool goodbye_said = false;
bool list_end_owed = false;
int engine_fd = -1;

alignas(8) char packet[sizeof(KeeperRequest) + sizeof(KeeperExecTarget) + kPlanInline];

int64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

void close_fd(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
}

Process* add() {
    for (uint32_t i = 0; holding < used && i < used; ++i) {
        if (table[i].pid == 0) return ++holding, &table[i];
    }
    if (used == table_size) {
        uint32_t larger = table_size == 0 ? 32 : table_size * 2;
        void* at =
            table_size == 0
                ? mmap(nullptr, larger * sizeof(Process), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                : mremap(table, table_size * sizeof(Process), larger * sizeof(Process), MREMAP_MAYMOVE);
        if (at == MAP_FAILED) return nullptr;
        table = static_cast<Process*>(at);
        table_size = larger;
        madvise(table, table_size * sizeof(Process), MADV_DONTFORK);
    }
    ++holding;
    return &table[used++];
}

void drop(Process& c) {
    close_fd(c.pidfd);
    close_fd(c.note);
    for (int& fd : c.fds) close_fd(fd);
    c.pid = 0;
    --holding;
    while (used != 0 && table[used - 1].pid == 0 && table[used - 1].owed == 0) --used;
}

Process* find(const char* id) {
    for (uint32_t i = 0; i < used; ++i) {
        if (table[i].pid != 0 && memcmp(table[i].id, id, kContainerIdLength) == 0) return &table[i];
    }
    return nullptr;
}

void owe(Process& c, uint8_t what) {
    if (engine_fd < 0) return;  // the next engine asks with LIST
    bool queued = c.owed != 0;
    c.owed |= what;
    if (queued) return;
    uint32_t index = static_cast<uint32_t>(&c - table);
    c.next_owing = kNone;
    if (owing_tail == kNone) {
        owing_head = index;
    } else {
        table[owing_tail].next_owing = index;
    }
    owing_tail = index;
}

// ---- sending ----

// false: the socket is full, try again when it is writable (or the engine is gone, which the loop will see).
bool send_reply(const KeeperReply& reply, const int* fds, int fd_count) {
    iovec part{const_cast<KeeperReply*>(&reply), sizeof reply};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kKeeperFdKinds)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd_count != 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * static_cast<size_t>(fd_count));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<size_t>(fd_count));
        memcpy(CMSG_DATA(header), fds, sizeof(int) * static_cast<size_t>(fd_count));
    }
    return sendmsg(engine_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

KeeperReply reply_about(const Process& c, KeeperMessage type) {
    KeeperReply reply{};
    reply.type = type;
    memcpy(reply.id, c.id, kContainerIdLength);
    reply.pid = c.pid;
    reply.error = c.error;
    reply.wait_status = c.wait_status;
    reply.state = (c.exited ? kStateExited : kStateRunning) | (c.exec ? uint32_t{kStateExec} : 0u);
    reply.started_ns = c.started_ns;
    reply.exited_ns = c.exited_ns;
    return reply;
}

bool send_started(const Process& c) {
    if (c.pid < 0) return send_reply(reply_about(c, KeeperMessage::failed), nullptr, 0);
    KeeperReply reply = reply_about(c, KeeperMessage::started);
    reply.fds = kFdPidfd;
    return send_reply(reply, &c.pidfd, 1);
}

bool send_listed(const Process& c) {
    KeeperReply reply = reply_about(c, KeeperMessage::listed);
    int fds[5];
    int count = 0;
    for (int i = 0; i < 3; ++i) {
        if (c.fds[i] < 0) continue;
        reply.fds |= uint32_t{kFdStdin} << i;
        fds[count++] = c.fds[i];
    }
    if (c.pidfd >= 0) {
        reply.fds |= kFdPidfd;
        fds[count++] = c.pidfd;
    }
    if (c.note >= 0) {
        reply.fds |= kFdNote;
        fds[count++] = c.note;
    }
    return send_reply(reply, fds, count);
}

void send_owed() {
    while (engine_fd >= 0 && owing_head != kNone) {
        Process& c = table[owing_head];
        if (c.owed & kOweListed) {
            if (!send_listed(c)) return;
            c.owed = 0;  // LISTED says everything the others would
        }
        if (c.owed & kOweStarted) {
            if (!send_started(c)) return;
            c.owed &= static_cast<uint8_t>(~kOweStarted);
        }
        if (c.owed & kOweExited) {
            if (!send_reply(reply_about(c, KeeperMessage::exited), nullptr, 0)) return;
            c.owed = 0;
        }
        owing_head = c.next_owing;
        if (owing_head == kNone) owing_tail = kNone;
        if (c.pid < 0 || c.forgotten) drop(c);
    }
    if (engine_fd >= 0 && list_end_owed) {
        KeeperReply reply{};
        reply.type = KeeperMessage::list_end;
        reply.state = holding;
        if (send_reply(reply, nullptr, 0)) list_end_owed = false;
    }
}

void forget_owed() {
    for (uint32_t i = 0; i < used; ++i) {
        table[i].owed = 0;
        if (table[i].pid < 0 || (table[i].pid > 0 && table[i].forgotten)) drop(table[i]);
    }
    owing_head = owing_tail = kNone;
    list_end_owed = false;
}

// ---- containers and execs ----

// Refused before there is a slot for it. Answers of older requests have been sent, or the socket is full and the engine
// finds the answer missing when it closes.
void refuse(const KeeperRequest& request, int error) {
    KeeperReply reply{};
    reply.type = KeeperMessage::failed;
    memcpy(reply.id, request.id, kContainerIdLength);
    reply.error = error;
    send_reply(reply, nullptr, 0);
}

bool has_ended(int pidfd) {
    pollfd polled{pidfd, POLLIN, 0};
    return poll(&polled, 1, 0) > 0;
}

long clone_child(uint64_t flags, int cgroup, int& pidfd) {
    clone_args args{};
    args.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<uint64_t>(cgroup);
    }
    return syscall(SYS_clone3, &args, sizeof args);
}

// v2: processes may not live in a group whose controllers are on for its children, which an init that manages groups of
// its own does to the container's. Then an exec goes where that init is.
int open_cgroup_of(pid_t pid) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return -1;
    text[length] = 0;
    const char* line = strstr(text, "0::/");
    if (line == nullptr) return -1;
    char directory[4096];
    int size = snprintf(directory, sizeof directory, "/sys/fs/cgroup%.*s", static_cast<int>(strcspn(line + 3, "\n")),
                        line + 3);
    if (size <= 0 || static_cast<size_t>(size) >= sizeof directory) return -1;
    return open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// A plan that came as a file.
struct MappedPlan {
    explicit MappedPlan(int fd) {
        struct stat st {};
        if (fstat(fd, &st) != 0 || st.st_size <= 0 || static_cast<size_t>(st.st_size) > kPlanLimit) return;
        size = static_cast<size_t>(st.st_size);
        void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at != MAP_FAILED) data = static_cast<const char*>(at);
    }
    ~MappedPlan() {
        if (data != nullptr) munmap(const_cast<char*>(data), size);
    }
    const char* data = nullptr;
    size_t size = 0;
};

// Our own pid namespace: where children go but for the moment of an exec's clone.
int own_pid_namespace = -1;

// In the child: 0. `joined`: the container that an exec joins.
long clone_joined(const Process* joined, uint64_t flags, int& cgroup, int& pidfd) {
    if (joined == nullptr) return clone_child(flags, cgroup, pidfd);
    if (setns(joined->pidfd, CLONE_NEWPID) != 0) return -1;
    long pid = clone_child(flags, cgroup, pidfd);
    if (pid < 0 && errno == EBUSY && cgroup >= 0) {
        close_fd(cgroup);
        cgroup = open_cgroup_of(joined->pid);
        errno = EBUSY;
        if (cgroup >= 0) pid = clone_child(flags, cgroup, pidfd);
    }
    if (pid == 0) return 0;
    int error = errno;
    if (setns(own_pid_namespace, CLONE_NEWPID) != 0) _exit(1);  // no container could be started right any more
    if (pid < 0) errno = has_ended(joined->pidfd) ? ESRCH : error;
    return pid;
}

// `joined`: none for a container's first process.
void start(const KeeperRequest& request, const Process* joined, const char* plan, size_t size, int* fds) {
    if (find(request.id) != nullptr || fds[3] < 0) return refuse(request, fds[3] < 0 ? EINVAL : EEXIST);
    const uint32_t joined_index = joined != nullptr ? static_cast<uint32_t>(joined - table) : 0;
    Process* c = add();
    if (c == nullptr) return refuse(request, ENOMEM);
    if (joined != nullptr) joined = &table[joined_index];  // the table may have moved
    *c = Process{};
    memcpy(c->id, request.id, kContainerIdLength);
    c->pid = -1;
    c->pidfd = -1;
    c->exec = joined != nullptr;
    for (int i = 0; i < 3; ++i) {
        c->fds[i] = fds[4 + i];
        fds[4 + i] = -1;
    }
    c->note = fds[10];
    fds[10] = -1;
    c->started_ns = now_ns();

    int cgroup = -1;
    LaunchFailure failure{};
    if (plan == nullptr || !plan_valid(plan, size)) {
        c->error = EINVAL;
    } else if (c->error = launch_in_keeper(plan, size, cgroup, failure); c->error != 0) {
        ssize_t ignored = write(fds[3], &failure, sizeof failure);
        static_cast<void>(ignored);
    } else {
        PlanHeader header;
        memcpy(&header, plan, sizeof header);
        int pidfd = -1;
        const int target = joined != nullptr ? joined->pidfd : fds[8];
        long pid = clone_joined(joined, header.clone_flags, cgroup, pidfd);
        if (pid == 0) {
            ChildFds child{fds[0], fds[1], fds[2], fds[3], target};
            launch_child(plan, size, child);
        }
        if (pid < 0) {
            c->error = errno;
        } else {
            c->pid = static_cast<pid_t>(pid);
            c->pidfd = pidfd;
        }
    }
    if (cgroup >= 0) close(cgroup);
    owe(*c, kOweStarted);
}

void start_requested(const DecodedRequest& in, int* fds) {
    if (!in.sound) return refuse(in.request, EINVAL);
    const Process* joined = nullptr;
    if (in.request.type == KeeperMessage::exec) {
        joined = find(in.container);
        if (joined == nullptr || joined->exec || joined->pid <= 0 || joined->exited) return refuse(in.request, ESRCH);
    }
    if (fds[9] < 0) return start(in.request, joined, in.plan, in.plan_size, fds);
    const MappedPlan mapped(fds[9]);
    start(in.request, joined, mapped.data, mapped.size, fds);
}

void reap() {
    while (true) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        for (uint32_t i = 0; i < used; ++i) {
            Process& c = table[i];
            if (c.pid != pid || c.exited) continue;
            c.exited = true;
            c.wait_status = status;
            c.exited_ns = now_ns();
            owe(c, kOweExited);
            break;
        }
    }
}

// ---- the engine's connection ----

void drop_engine() {
    close_fd(engine_fd);
    forget_owed();
}

void handle(const DecodedRequest& in, int* fds) {
    const KeeperRequest& request = in.request;
    switch (request.type) {
        case KeeperMessage::start:
        case KeeperMessage::exec: start_requested(in, fds); break;
        case KeeperMessage::hold:
            if (Process* c = find(request.id); c != nullptr && c->fds[0] < 0) {
                c->fds[0] = fds[4];
                fds[4] = -1;
            }
            break;
        case KeeperMessage::forget:
            if (Process* c = find(request.id); c != nullptr && c->exited) {
                if (c->owed == 0) {
                    drop(*c);
                } else {
                    c->forgotten = true;  // dropped when what is owed has been said
                }
            }
            break;
        case KeeperMessage::close_stdin:
            if (Process* c = find(request.id); c != nullptr) close_fd(c->fds[0]);
            break;
        case KeeperMessage::list:
            for (uint32_t i = 0; i < used; ++i) {
                if (table[i].pid > 0) owe(table[i], kOweListed);
            }
            list_end_owed = true;
            break;
        case KeeperMessage::goodbye: goodbye_said = true; break;
        default: break;
    }
}

// One packet; false when there is none. Its descriptors are closed unless `start` kept them.
bool receive() {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kKeeperFdKinds)];
    iovec part{packet, sizeof packet};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t length = recvmsg(engine_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) {
        if (errno != EAGAIN && errno != EINTR) drop_engine();
        return false;
    }
    if (length == 0) return drop_engine(), false;

    int received[kKeeperFdKinds];
    int count = 0;
    for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
        count = static_cast<int>((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(received, CMSG_DATA(h), static_cast<size_t>(count) * sizeof(int));
    }
    DecodedRequest in;
    int fds[kKeeperFdKinds];
    for (int& fd : fds) fd = -1;
    bool whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
                 decode_request(packet, static_cast<size_t>(length), in);
    int next = 0;
    for (int bit = 0; whole && bit < kKeeperFdKinds; ++bit) {
        if ((in.request.fds >> bit & 1) && next < count) fds[bit] = received[next++];
    }
    for (; next < count; ++next) close(received[next]);
    if (whole) handle(in, fds);
    for (int& fd : fds) close_fd(fd);
    return true;
}

void accept_engine(int listener) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
        close(fd);
        return;
    }
    if (engine_fd >= 0) drop_engine();
    engine_fd = fd;
    goodbye_said = false;
    KeeperReply reply{};
    reply.type = KeeperMessage::hello;
    reply.state = kKeeperVersion;
    send_reply(reply, nullptr, 0);
}

[[noreturn]] void serve(int listener, int signals) {
    while (true) {
        bool writing = owing_head != kNone || list_end_owed;
        pollfd polled[3] = {{signals, POLLIN, 0},
                            {listener, POLLIN, 0},
                            {engine_fd, static_cast<short>(POLLIN | (writing ? POLLOUT : 0)), 0}};
        if (poll(polled, 3, -1) < 0 && errno != EINTR) _exit(1);
        if (polled[0].revents) {
            signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {
            }
            reap();
        }
        if (polled[2].revents & (POLLIN | POLLHUP | POLLERR)) {
            while (engine_fd >= 0 && receive()) send_owed();
        }
        if (polled[1].revents) accept_engine(listener);
        send_owed();
        if (goodbye_said && holding == 0) _exit(0);
    }
}

// ---- becoming the keeper ----

[[noreturn]] void fail(const char* what) {
    dprintf(2, "dockercd-keeper: %s: %s\n", what, strerror(errno));
    _exit(1);
}

// Continue as a sealed copy of ourselves that has no name in any filesystem.
void reexec_sealed(char** argv) {
    char link[256];
    ssize_t length = readlink("/proc/self/exe", link, sizeof link - 1);
    if (length <= 0) fail("/proc/self/exe");
    link[length] = 0;
    if (strncmp(link, "/memfd:", 7) == 0) return;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int copy = memfd_create("dockercd-keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat st {};
    if (self < 0 || copy < 0 || fstat(self, &st) != 0) fail("copying the keeper");
    char buffer[16384];
    while (true) {
        ssize_t got = read(self, buffer, sizeof buffer);
        if (got < 0) fail("reading the keeper");
        if (got == 0) break;
        if (write(copy, buffer, static_cast<size_t>(got)) != got) fail("copying the keeper");
    }
    if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) fail("sealing");
    char* empty[] = {nullptr};
    execveat(copy, "", argv, empty, AT_EMPTY_PATH);
    fail("executing the sealed copy");
}

int listen_on(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) fail("socket");
    unlink(path);  // we hold the lock, so whoever listened there is gone
    umask(0177);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(path);
    umask(0);
    if (listen(fd, 4) != 0) fail("listen");
    return fd;
}

int run(int argc, char** argv) {
    if (argc != 3) {
        dprintf(2, "usage: dockercd-keeper SOCKET LOCK\n");
        return 2;
    }
    reexec_sealed(argv);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "dockercd-keeper", 0, 0, 0);
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0) fail("close_range");
    int lock = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) fail(argv[2]);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) fail(argv[2]);
        return 3;
    }
    int listener = listen_on(argv[1]);
    // Host mounts made later still arrive here (bind sources), nothing of ours reaches the host.
    if (unshare(CLONE_NEWNS) != 0) fail("unshare");
    if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) fail("mount propagation");
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    // Ready: whoever started us sees exit code 0, the keeper goes on as an orphan.
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return 0;
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    close(null);
    if (chdir("/") != 0) _exit(1);
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        ssize_t ignored = write(score, "-999", 4);  // without the privilege we live with what we have
        static_cast<void>(ignored);
        close(score);
    }
    sigset_t all;
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) _exit(1);
    // Handlers, not SIG_IGN: the clone resets handlers, but ignored signals would stay ignored in the container.
    // Asked of the kernel: the library keeps 32 and 33 to itself, and whoever started us may have ignored them.
    const unsigned long defaults[4] = {};
    for (int number = 1; number < 65; ++number) syscall(SYS_rt_sigaction, number, defaults, nullptr, 8);
    for (int number : {SIGPIPE, SIGHUP, SIGINT}) signal(number, [](int) {});
    own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own_pid_namespace < 0) _exit(1);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    serve(listener, signals);
}

}  // namespace
}  // namespace engine::runtime

int main(int argc, char** argv) { return engine::runtime::run(argc, argv); }
