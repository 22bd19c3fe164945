#include "engine/runtime/keeper_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "engine/reactor/child_process.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

constexpr Nanoseconds keeper_start_timeout = 10 * second;

Result<UniqueFd> connect_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(ErrorKind::invalid, "the exec root's path is too long for a unix socket: " + path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    // A local listener answers at once or not at all: this does not wait.
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, "connecting to " + path);
    const int bytes = 2 * 1024 * 1024;
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    return fd;
}

void set_id(KeeperRequest& request, std::string_view id) {
    CHECK(id.size() == kContainerIdLength);
    std::memcpy(request.id, id.data(), id.size());
}

}  // namespace

struct KeeperClient::Packet {
    KeeperRequest request{};
    std::array<int, kKeeperFdKinds> fds{};
    std::size_t fd_count = 0;
    int note = -1;  // goes last: its bit is behind the plan's

    Packet(KeeperMessage type, std::string_view id) {
        request.type = type;
        if (!id.empty()) set_id(request, id);
    }
    // In the order of their bits.
    void add(std::uint32_t bit, int fd) {
        if (fd < 0) return;
        request.fds |= bit;
        fds[fd_count++] = fd;
    }
    Result<void> send(int socket_fd, std::string_view target, std::string_view body) const {
        iovec parts[3] = {{const_cast<KeeperRequest*>(&request), sizeof request},
                          {const_cast<char*>(target.data()), target.size()},
                          {const_cast<char*>(body.data()), body.size()}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 3;
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kKeeperFdKinds)] = {};
        if (fd_count > 0) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
            std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fd_count);
        }
        while (sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0) {
            if (errno != EINTR) return fail_errno(errno, "sending to the keeper");
        }
        return {};
    }
};

struct KeeperClient::Pending {
    std::string id;
    reactor::Event answered;
    KeeperStarted started;
    int error = 0;
};

KeeperClient::KeeperClient(std::string binary, std::string exec_root)
    : binary_(std::move(binary)), exec_root_(std::move(exec_root)), scope_("keeper") {}

KeeperClient::~KeeperClient() = default;

Task<std::unique_ptr<KeeperClient>> KeeperClient::open(std::string binary, std::string exec_root) {
    std::unique_ptr<KeeperClient> client(new KeeperClient(std::move(binary), std::move(exec_root)));
    auto connected = co_await client->connect();
    if (connected) co_return client;
    auto closed = co_await client->close();
    ignore_result(closed, "the first error is the one to tell");
    co_return fail(std::move(connected.error()));
}

Task<UniqueFd> KeeperClient::connect_or_spawn() {
    const std::string path = exec_root_ + "/keeper.sock";
    auto connected = connect_socket(path);
    fresh_ = !connected;
    if (connected) co_return connected;
    const std::vector<std::string> argv = {binary_, path, exec_root_ + "/keeper.lock"};
    const std::vector<std::string> environment;
    const reactor::FdMapping standard_error{2, 2};
    CO_TRY(auto child, reactor::ChildProcess::spawn(argv, environment, {&standard_error, 1}));
    reactor::Deadline deadline(keeper_start_timeout);
    CO_TRY(auto status, co_await child.wait(deadline.token()));
    // 3: another engine has just started one.
    if (!status.ok() && status.code != 3)
        co_return fail(ErrorKind::internal, binary_ + " did not start (exit code " + std::to_string(status.code) +
                                                "): see the lines above");
    co_return connect_socket(path);
}

Task<void> KeeperClient::connect() {
    CO_TRY(socket_, co_await connect_or_spawn());
    lost_ = false;
    peer_version_ = 0;
    listed_.clear();
    holdings_.clear();
    held_execs_.clear();
    scope_.spawn("keeper receive", receive_loop());
    send_simple(KeeperMessage::list, {});
    reactor::Deadline deadline(keeper_start_timeout);
    auto listed = co_await listed_.wait(deadline.token());
    const std::string path = exec_root_ + "/keeper.sock";
    if (!listed || lost_) co_return fail(ErrorKind::internal, "the keeper at " + path + " does not answer");
    if (peer_version_ >= kKeeperVersionOldest && peer_version_ <= kKeeperVersion) co_return Result<void>{};
    co_return fail(ErrorKind::conflict,
                   "the keeper at " + path + " speaks protocol " + std::to_string(peer_version_) +
                       ", this dockercd speaks " + std::to_string(kKeeperVersionOldest) + " to " +
                       std::to_string(kKeeperVersion) +
                       ": run the dockercd that started it, stop its containers there, then start this one");
}

Task<void> KeeperClient::reconnect() {
    CO_TRY(auto held, co_await connecting_.enter());
    if (!lost_) co_return Result<void>{};
    log_info("starting a new keeper");
    auto connected = co_await connect();
    co_return connected;
}

void KeeperClient::send_simple(KeeperMessage type, std::string_view id) {
    if (lost_) return;  // a dead keeper has forgotten everything
    const Packet packet(type, id);
    if (auto sent = packet.send(socket_.get(), {}, {}); !sent) log_warn(sent.error().message());
}

void KeeperClient::forget(std::string_view id) { send_simple(KeeperMessage::forget, id); }
void KeeperClient::close_stdin(std::string_view id) { send_simple(KeeperMessage::close_stdin, id); }
void KeeperClient::goodbye() { send_simple(KeeperMessage::goodbye, {}); }

void KeeperClient::hold_terminal(std::string_view id, int master) {
    if (lost_) return;
    Packet packet(KeeperMessage::hold, id);
    packet.add(kFdStdin, master);
    if (auto sent = packet.send(socket_.get(), {}, {}); !sent) log_warn(sent.error().message());
}

Task<KeeperStarted> KeeperClient::start(KeeperStart request) {
    if (lost_) {
        CO_TRY_VOID(co_await reconnect());
    }
    Packet packet(KeeperMessage::start, request.id);
    packet.add(kFdChildStdin, request.child_stdin);
    packet.add(kFdChildStdout, request.child_stdout);
    packet.add(kFdChildStderr, request.child_stderr);
    packet.add(kFdStatus, request.status);
    packet.add(kFdStdin, request.held_stdin);
    packet.add(kFdStdout, request.held_stdout);
    packet.add(kFdStderr, request.held_stderr);
    packet.add(kFdNetns, request.netns);
    const std::string_view no_container;
    auto started = co_await send_start(packet, no_container, request.plan);
    if (!started && started.error().error_number() != 0)
        co_return fail(std::move(started.error()).with_context("cloning the container's first process"));
    co_return started;
}

Task<KeeperStarted> KeeperClient::exec(KeeperExec request) {
    const std::string gone = "container " + std::string(request.container) + " is not running";
    if (lost_) co_return fail(ErrorKind::conflict, gone);
    if (peer_version_ < kKeeperVersionExec)
        co_return fail(ErrorKind::not_implemented,
                       "the keeper of these containers was started by an older dockercd, which knew no exec: "
                       "stop all containers and restart dockercd, and it will make a new one");
    Packet packet(KeeperMessage::exec, request.id);
    packet.add(kFdChildStdin, request.child_stdin);
    packet.add(kFdChildStdout, request.child_stdout);
    packet.add(kFdChildStderr, request.child_stderr);
    packet.add(kFdStatus, request.status);
    packet.add(kFdStdin, request.held_stdin);
    packet.add(kFdStdout, request.held_stdout);
    packet.add(kFdStderr, request.held_stderr);
    packet.note = request.note;
    auto started = co_await send_start(packet, request.container, request.plan);
    const int error = started ? 0 : started.error().error_number();
    if (error == ESRCH || error == ENOENT) co_return fail(ErrorKind::conflict, gone);
    if (error != 0) co_return fail(std::move(started.error()).with_context("cloning the exec's process"));
    co_return started;
}

Task<KeeperStarted> KeeperClient::send_start(Packet packet, std::string_view target, std::string_view plan) {
    packet.request.plan_length = static_cast<std::uint32_t>(plan.size());
    UniqueFd plan_file;
    if (plan.size() > kPlanInline) {
        plan_file.reset(memfd_create("plan", MFD_CLOEXEC));
        if (!plan_file) co_return fail_errno(errno, "memfd_create");
        if (::write(plan_file.get(), plan.data(), plan.size()) != static_cast<ssize_t>(plan.size()))
            co_return fail_errno(errno, "writing the launch plan");
        packet.add(kFdPlan, plan_file.get());
        plan = {};
    }
    packet.add(kFdNote, packet.note);
    Pending pending;
    pending.id = std::string(packet.request.id, kContainerIdLength);
    CO_TRY_VOID(packet.send(socket_.get(), target, plan));
    pending_.push_back(&pending);
    CO_TRY_VOID(co_await pending.answered.wait());
    if (pending.error != 0) co_return fail(Error(ErrorKind::kernel, std::strerror(pending.error), pending.error));
    co_return std::move(pending.started);
}

Task<void> KeeperClient::close() {
    scope_.request_stop();
    auto done = co_await scope_.join();
    co_return done;
}

Task<void> KeeperClient::receive_loop() {
    while (true) {
        CO_TRY(auto events, co_await io::poll(socket_.get(), POLLIN, scope_.token()));
        ignore_result(events, "readable or hung up: receiving tells");
        auto received = receive_one();
        while (received) received = receive_one();
        if (received.error().error_number() == EAGAIN) continue;
        lost_ = true;
        for (Pending* pending : pending_) {
            pending->error = EPIPE;
            pending->answered.set();
        }
        pending_.clear();
        listed_.set();
        for (const auto& handler : lost_handlers_) handler();
        co_return fail(std::move(received.error()));
    }
}

Result<void> KeeperClient::receive_one() {
    KeeperReply reply{};
    iovec part{&reply, sizeof reply};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kKeeperFdKinds)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return fail_errno(errno, "receiving from the keeper");
    if (got == 0) return fail_errno(EPIPE, "the keeper closed the connection");
    std::vector<UniqueFd> fds;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    if (got != sizeof reply) return fail(ErrorKind::internal, "a packet of the keeper has the wrong size");
    dispatch(reply, fds);
    return {};
}

void KeeperClient::dispatch(const KeeperReply& reply, std::vector<UniqueFd>& fds) {
    std::size_t next = 0;
    auto take = [&](std::uint32_t bit) {
        if ((reply.fds & bit) == 0 || next >= fds.size()) return UniqueFd();
        return std::move(fds[next++]);
    };
    std::string id(reply.id, kContainerIdLength);
    switch (reply.type) {
        case KeeperMessage::hello:
            peer_version_ = reply.state;
            break;
        case KeeperMessage::started:
        case KeeperMessage::failed: {
            // A refusal may overtake the answers to those asked for before.
            const auto asked = std::find_if(pending_.begin(), pending_.end(), [&](auto* p) { return p->id == id; });
            if (asked == pending_.end()) {
                log_error("the keeper answered a start that nobody asked for: " + id);
                break;
            }
            Pending* pending = *asked;
            pending_.erase(asked);
            pending->started.pid = reply.pid;
            pending->started.pidfd = take(kFdPidfd);
            pending->error = reply.type == KeeperMessage::failed ? (reply.error != 0 ? reply.error : EIO) : 0;
            // No descriptor was free here. The keeper has not told its end, so the number still is this process's.
            if (pending->error == 0 && !pending->started.pidfd) {
                ::kill(reply.pid, SIGKILL);
                pending->error = EMFILE;
            }
            pending->answered.set();
            break;
        }
        case KeeperMessage::exited: {
            Exits& exits = (reply.state & kStateExec) != 0 ? exec_exits_ : exits_;
            exits.tell(KeeperExit{std::move(id), reply.wait_status, reply.exited_ns});
            break;
        }
        case KeeperMessage::listed: {
            KeeperHolding holding;
            holding.id = std::move(id);
            holding.pid = reply.pid;
            holding.exec = (reply.state & kStateExec) != 0;
            holding.running = (reply.state & kStateRunning) != 0;
            holding.wait_status = reply.wait_status;
            holding.started_at = reply.started_ns;
            holding.exited_at = reply.exited_ns;
            holding.held_stdin = take(kFdStdin);
            holding.held_stdout = take(kFdStdout);
            holding.held_stderr = take(kFdStderr);
            holding.pidfd = take(kFdPidfd);
            holding.note = take(kFdNote);
            (holding.exec ? held_execs_ : holdings_).push_back(std::move(holding));
            break;
        }
        case KeeperMessage::list_end: listed_.set(); break;
        default: log_error("the keeper sent a message of an unknown kind"); break;
    }
}

}  // namespace engine::runtime
