// A keeper of the test's own, spoken to through its protocol; containers start in a rootfs made here.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/reactor/unique_fd.h"
#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/linux/cgroup.h"
#include "engine/runtime/linux/keeper_protocol.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/plan.h"
#include "engine/runtime/linux/seccomp.h"
#include "tests/support/scratch.h"

namespace engine::runtime {

namespace fs = std::filesystem;

struct Message {
    KeeperReply reply{};
    std::vector<UniqueFd> fds;
};

class KeeperTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
        directory_ = scratch_.path();
        ASSERT_FALSE(directory_.empty());
        parent_ = "docker/test-" + std::to_string(getpid());
        for (const char* sub : {"data/rootfs/bin", "data/rootfs/etc", "data/rootfs/tmp", "mnt"}) {
            fs::create_directories(directory_ / sub);
        }
        fs::copy_file("/bin/busybox", directory_ / "data/rootfs/bin/busybox");
        fs::copy_file(PROBE, directory_ / "data/rootfs/bin/probe");
        for (const char* applet : {"sh", "true", "cat", "sleep"}) {
            fs::create_symlink("busybox", directory_ / "data/rootfs/bin" / applet);
        }
        fs::create_directories(directory_ / "data/empty");
        std::ofstream(directory_ / "data/rootfs/etc/passwd")
            << "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:\n";
        std::ofstream(directory_ / "data/rootfs/etc/group") << "users:x:100:\naudio:x:29:ann\n";
        std::ofstream(directory_ / "data/hosts") << "127.0.0.1 localhost\n";
        fs::create_symlink("/run/gone/resolv.conf", directory_ / "data/rootfs/etc/resolv.conf");
        auto host = detect_cgroups();
        ASSERT_TRUE(host);
        host_ = std::move(*host);
        auto prepared = prepare_cgroup_parent(host_, "docker");
        ASSERT_TRUE(prepared) << prepared.error().message();
        prepared = prepare_cgroup_parent(host_, parent_);
        ASSERT_TRUE(prepared) << prepared.error().message();
        ASSERT_EQ(run_keeper(), 0);
        connect_engine();
    }

    void TearDown() override {
        if (directory_.empty()) return;
        request(KeeperMessage::goodbye, "");
        char byte;
        EXPECT_EQ(recv(engine_.get(), &byte, 1, 0), 0) << "the keeper ends after goodbye";
        for (const std::string& id : ids_) remove_cgroups(parent_, id);
        remove_cgroups("docker", parent_.substr(7));
    }

    void remove_cgroups(const std::string& parent, const std::string& id) {
        for (const std::string& directory : container_cgroup_directories(host_, parent, id)) {
            EXPECT_TRUE(rmdir(directory.c_str()) == 0 || errno == ENOENT) << directory << ": " << strerror(errno);
        }
    }

    int run_keeper() {
        std::string socket = directory_ / "keeper.sock", lock = directory_ / "keeper.lock";
        pid_t pid = fork();
        if (pid == 0) {
            execl(KEEPER, KEEPER, socket.c_str(), lock.c_str(), nullptr);
            _exit(126);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    }

    void connect_engine() {
        engine_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::string path = directory_ / "keeper.sock";
        memcpy(address.sun_path, path.c_str(), path.size());
        ASSERT_EQ(connect(engine_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(receive().reply.type, KeeperMessage::hello);
    }

    Message receive() {
        Message m;
        iovec part{&m.reply, sizeof m.reply};
        alignas(cmsghdr) char control[256];
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        if (recvmsg(engine_.get(), &message, MSG_CMSG_CLOEXEC) <= 0) return m;
        for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
            for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
                int fd;
                memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof fd);
                m.fds.emplace_back(fd);
            }
        }
        return m;
    }

    void request(KeeperMessage type, const std::string& id, uint32_t fd_bits = 0, const std::vector<int>& fds = {},
                 std::string plan = "", const std::string& target = "") {
        KeeperRequest r{};
        r.type = type;
        r.fds = fd_bits;
        r.plan_length = static_cast<uint32_t>(plan.size());
        memcpy(r.id, id.data(), std::min(id.size(), sizeof r.id));
        std::string container = target;
        iovec parts[3] = {{&r, sizeof r}, {container.data(), container.size()}, {plan.data(), plan.size()}};
        alignas(cmsghdr) char control[256];
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 3;
        if (!fds.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
            cmsghdr* h = CMSG_FIRSTHDR(&message);
            h->cmsg_level = SOL_SOCKET;
            h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
            memcpy(CMSG_DATA(h), fds.data(), sizeof(int) * fds.size());
        }
        ASSERT_GT(sendmsg(engine_.get(), &message, MSG_NOSIGNAL), 0);
    }

    LaunchInput input(std::vector<std::string> argv) {
        LaunchInput in;
        char id[65];
        snprintf(id, sizeof id, "%032d%032d", getpid(), ++counter_);
        in.id = id;
        ids_.push_back(id);
        in.argv = std::move(argv);
        in.env = {"PATH=/usr/bin:/bin", "A=b"};
        in.hostname = "inside";
        in.capabilities = default_capabilities();
        in.seccomp_bpf = *compile_seccomp(default_seccomp_profile(), in.capabilities);
        std::string own = "c" + std::to_string(counter_);
        fs::create_directories(directory_ / "data" / own / "upper");
        fs::create_directories(directory_ / "data" / own / "work");
        in.rootfs = {{"empty", "rootfs"}, own + "/upper", own + "/work", directory_ / "data", directory_ / "mnt"};
        in.hosts_path = in.hostname_path = in.resolv_conf_path = directory_ / "data/hosts";
        in.cgroups = container_cgroups(host_, parent_, in.id, {});
        in.cgroup_v2 = host_.v2;
        return in;
    }

    // The master of the terminal that a child has made; none when it reports a failure.
    static UniqueFd receive_terminal(int status, LaunchFailure& report) {
        iovec part{&report, sizeof report};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t got = recvmsg(status, &message, MSG_CMSG_CLOEXEC);
        if (got != static_cast<ssize_t>(sizeof report) || report.op_index != kTerminalMade) return UniqueFd();
        int master = -1;
        memcpy(&master, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof master);
        return UniqueFd(master);
    }

    struct Ended {
        int wait_status = -1;
        std::string output;
        LaunchError failure{"", 0};
    };

    // The whole life of one container.
    Ended run(const LaunchInput& in) {
        Ended ended;
        auto plan = make_launch_plan(in);
        EXPECT_TRUE(plan);
        if (!plan) return ended;
        int status[2], out[2];
        EXPECT_EQ(pipe2(status, O_CLOEXEC), 0);
        EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
        UniqueFd status_read(status[0]), out_read(out[0]);
        request(KeeperMessage::start, in.id, kFdChildStdout | kFdChildStderr | kFdStatus,
                {out[1], out[1], status[1]}, *plan);
        close(status[1]);
        close(out[1]);
        LaunchFailure failure;
        if (read(status_read.get(), &failure, sizeof failure) == sizeof failure) {
            ended.failure = describe_failure(*plan, failure);
        }
        char buffer[4096];
        for (ssize_t got; (got = read(out_read.get(), buffer, sizeof buffer)) > 0;) {
            ended.output.append(buffer, static_cast<size_t>(got));
        }
        Message started = receive();
        EXPECT_EQ(started.reply.type, KeeperMessage::started) << started.reply.error;
        EXPECT_EQ(started.fds.size(), 1u);
        Message exited = receive();
        EXPECT_EQ(exited.reply.type, KeeperMessage::exited);
        ended.wait_status = exited.reply.wait_status;
        request(KeeperMessage::forget, in.id);
        return ended;
    }

    size_t keeper_descriptors() {
        request(KeeperMessage::list, "");
        KeeperMessage type = receive().reply.type;
        while (type == KeeperMessage::listed) type = receive().reply.type;
        EXPECT_EQ(type, KeeperMessage::list_end);
        ucred peer{};
        socklen_t size = sizeof peer;
        getsockopt(engine_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
        size_t count = 0;
        // The credentials are those of listen(), before the keeper went into the background.
        for (const auto& entry : fs::directory_iterator("/proc")) {
            std::ifstream comm(entry.path() / "comm");
            std::string name;
            std::error_code none;
            if (!(comm >> name) || name != "dockercd-keeper") continue;
            bool ours = false;
            size_t fds = 0;
            for (const auto& fd : fs::directory_iterator(entry.path() / "fd", none)) {
                ours |= fs::read_symlink(fd.path(), none) == directory_ / "keeper.lock";
                ++fds;
            }
            if (ours) count = fds;
        }
        return count;
    }

    test::Scratch scratch_{"keeper_test"};
    fs::path directory_;
    std::string parent_;
    CgroupHost host_;
    UniqueFd engine_;
    std::vector<std::string> ids_;
    int counter_ = 0;
};

}  // namespace engine::runtime
