// The keeper itself, through its protocol: containers start in a rootfs made here, the probe says what they see.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <simdjson.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/reactor/unique_fd.h"
#include "engine/runtime/linux/capabilities.h"
#include "engine/runtime/linux/cgroup.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/plan.h"
#include "engine/runtime/linux/seccomp.h"
#include "tests/support/scratch.h"

namespace engine::runtime {
namespace {

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
                 std::string plan = "") {
        KeeperRequest r{};
        r.type = type;
        r.fds = fd_bits;
        r.plan_length = static_cast<uint32_t>(plan.size());
        memcpy(r.id, id.data(), std::min(id.size(), sizeof r.id));
        iovec parts[2] = {{&r, sizeof r}, {plan.data(), plan.size()}};
        alignas(cmsghdr) char control[256];
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
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
        EXPECT_EQ(receive().reply.type, KeeperMessage::list_end);
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

TEST_F(KeeperTest, WhatAContainerSees) {
    Ended ended = run(input({"probe"}));
    ASSERT_EQ(ended.wait_status, 0) << ended.failure.message << ended.output;
    simdjson::dom::parser parser;
    simdjson::dom::element seen;
    ASSERT_EQ(parser.parse(ended.output).get(seen), simdjson::SUCCESS) << ended.output;
    auto text = [&](const char* key) {
        std::string_view value = "<missing>";
        EXPECT_EQ(seen[key].get(value), simdjson::SUCCESS) << key;
        return std::string(value);
    };
    EXPECT_EQ(int64_t(seen["pid"].get_int64().value_unsafe()), 1);
    EXPECT_EQ(text("CapEff"), "00000000a80425fb");
    EXPECT_EQ(text("CapPrm"), "00000000a80425fb");
    EXPECT_EQ(text("CapBnd"), "00000000a80425fb");
    EXPECT_EQ(text("CapInh"), "0000000000000000");
    EXPECT_EQ(text("CapAmb"), "0000000000000000");
    EXPECT_EQ(text("Seccomp"), "2");
    EXPECT_EQ(text("NoNewPrivs"), "0");
    EXPECT_EQ(text("SigIgn"), "0000000000000000");
    EXPECT_EQ(text("SigBlk"), "0000000000000000");
    EXPECT_EQ(text("hostname"), "inside");
    EXPECT_EQ(text("cwd"), "/");
    for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
        std::string outside = fs::read_symlink(std::string("/proc/self/ns/") + name);
        EXPECT_NE(text((std::string("ns_") + name).c_str()), outside);
    }
    simdjson::dom::object fds;
    ASSERT_EQ(seen["fds"].get(fds), simdjson::SUCCESS);
    EXPECT_EQ(fds.size(), 3u) << ended.output;
    simdjson::dom::array env;
    ASSERT_EQ(seen["env"].get(env), simdjson::SUCCESS);
    EXPECT_EQ(env.size(), 3u);  // and HOME
    EXPECT_NE(ended.output.find("HOME=/root"), std::string::npos);
    EXPECT_NE(ended.output.find(" /run/gone/resolv.conf "), std::string::npos) << "a dangling link is followed inside";
    EXPECT_EQ(ended.output.find(directory_.string() + "/mnt"), std::string::npos) << "nothing of the host is left";
}

// Names that no page of mount options holds: one fsconfig a layer from 6.8 on, a sentence before.
TEST_F(KeeperTest, MoreLayersThanAPageOfOptionsHolds) {
    LaunchInput in = input({"sh", "-c", "cat /first /last"});
    std::vector<std::string> lowers;
    for (int i = 0; i < 60; ++i) {
        lowers.push_back(std::string(100, 'l') + std::to_string(i));
        fs::create_directories(directory_ / "data" / lowers.back());
    }
    std::ofstream(directory_ / "data" / lowers.front() / "first") << "top ";
    std::ofstream(directory_ / "data" / lowers.back() / "last") << "bottom";
    lowers.push_back("empty");
    lowers.push_back("rootfs");
    in.rootfs.lowers = lowers;
    Ended ended = run(in);
    utsname kernel{};
    int major = 0, minor = 0;
    uname(&kernel);
    sscanf(kernel.release, "%d.%d", &major, &minor);
    if (major > 6 || (major == 6 && minor >= 8)) {
        EXPECT_EQ(ended.output, "top bottom") << ended.failure.message;
    } else {
        EXPECT_NE(ended.failure.message.find("(overlay): argument list too long"), std::string::npos);
    }
}

TEST_F(KeeperTest, UserDirectoryAndNoNewPrivileges) {
    LaunchInput in = input({"probe"});
    in.user = "ann";
    in.cwd = "/work/here";
    in.no_new_privs = true;
    in.read_only_rootfs = true;
    fs::create_directories(directory_ / "data" / "c1/upper/work/here");
    Ended ended = run(in);
    ASSERT_EQ(ended.wait_status, 0) << ended.failure.message;
    EXPECT_NE(ended.output.find("\"uid\":1000,\"gid\":100"), std::string::npos) << ended.output;
    EXPECT_NE(ended.output.find("\"CapEff\":\"0000000000000000\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"CapBnd\":\"00000000a80425fb\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"NoNewPrivs\":\"1\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"cwd\":\"/work/here\""), std::string::npos);
    EXPECT_NE(ended.output.find("HOME=/home/ann"), std::string::npos);
}

TEST_F(KeeperTest, ExitCodesAndFailures) {
    EXPECT_EQ(WEXITSTATUS(run(input({"probe", "exit", "7"})).wait_status), 7);
    Ended killed = run(input({"sh", "-c", "kill -9 $$; exit 3"}));
    EXPECT_EQ(WEXITSTATUS(killed.wait_status), 3);  // pid 1 is immune to its own SIGKILL
    Ended missing = run(input({"nothing"}));
    EXPECT_EQ(missing.failure.exit_code, 127);
    EXPECT_NE(missing.failure.message.find("exec: \"nothing\": executable file not found in $PATH"), std::string::npos);
    EXPECT_EQ(run(input({"/etc/passwd"})).failure.exit_code, 126);
    LaunchInput in = input({"true"});
    in.user = "bob";
    EXPECT_EQ(run(in).failure.message, "unable to find user bob: no matching entries in passwd file");
}

TEST_F(KeeperTest, BindsAndTmpfs) {
    fs::create_directories(directory_ / "share/sub");
    std::ofstream(directory_ / "share/file") << "shared\n";
    LaunchInput in =
        input({"sh", "-c", "cat /a/b/file; echo x > /a/b/new || echo read-only; echo y > /t/z && cat /t/z"});
    LaunchMount bind;
    bind.source = directory_ / "share";
    bind.destination = "/a/b";
    bind.read_only = true;
    LaunchMount tmpfs;
    tmpfs.kind = LaunchMount::Kind::tmpfs;
    tmpfs.destination = "/t";
    tmpfs.options = "size=1m,exec";
    in.mounts = {tmpfs, bind};
    Ended ended = run(in);
    EXPECT_EQ(ended.wait_status, 0) << ended.failure.message;
    EXPECT_NE(ended.output.find("shared\n"), std::string::npos);
    EXPECT_NE(ended.output.find("read-only\ny\n"), std::string::npos) << ended.output;
}

TEST_F(KeeperTest, Terminal) {
    UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master);
    ASSERT_EQ(grantpt(master.get()) | unlockpt(master.get()), 0);
    UniqueFd slave(open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    LaunchInput in = input({"probe"});
    in.tty = true;
    auto plan = make_launch_plan(in);
    ASSERT_TRUE(plan);
    int status[2];
    ASSERT_EQ(pipe2(status, O_CLOEXEC), 0);
    request(KeeperMessage::start, in.id, kFdChildStdin | kFdStatus | kFdStdin, {slave.get(), status[1], master.get()},
            *plan);
    slave.reset();
    close(status[1]);
    LaunchFailure failure;
    if (read(status[0], &failure, sizeof failure) != 0) ADD_FAILURE() << describe_failure(*plan, failure).message;
    close(status[0]);
    std::string output;
    char buffer[4096];
    for (ssize_t got; (got = read(master.get(), buffer, sizeof buffer)) > 0;)
        output.append(buffer, static_cast<size_t>(got));
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    EXPECT_EQ(receive().reply.type, KeeperMessage::exited);
    EXPECT_NE(output.find("\"controlling_tty\":true"), std::string::npos) << output;
    EXPECT_NE(output.find(" /dev/console "), std::string::npos);
    request(KeeperMessage::forget, in.id);
}

TEST_F(KeeperTest, SurvivesTheEngine) {
    LaunchInput in = input({"cat"});
    auto plan = make_launch_plan(in);
    ASSERT_TRUE(plan);
    int status[2], to[2], from[2];
    ASSERT_EQ(pipe2(status, O_CLOEXEC) | pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    request(KeeperMessage::start, in.id, kFdChildStdin | kFdChildStdout | kFdStatus | kFdStdin | kFdStdout,
            {to[0], from[1], status[1], to[1], from[0]}, *plan);
    for (int fd : {to[0], from[1], status[1], to[1], from[0]}) close(fd);
    char byte;
    ASSERT_EQ(read(status[0], &byte, 1), 0);
    close(status[0]);
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    EXPECT_EQ(run_keeper(), 3) << "only one";
    connect_engine();
    request(KeeperMessage::list, "");
    Message listed = receive();
    ASSERT_EQ(listed.reply.type, KeeperMessage::listed);
    EXPECT_EQ(listed.reply.fds, kFdStdin | kFdStdout | kFdPidfd);
    ASSERT_EQ(listed.fds.size(), 3u);
    EXPECT_EQ(receive().reply.type, KeeperMessage::list_end);
    EXPECT_EQ(write(listed.fds[0].get(), "still here", 10), 10);
    char buffer[32];
    EXPECT_EQ(read(listed.fds[1].get(), buffer, sizeof buffer), 10);
    listed.fds[0].reset();
    request(KeeperMessage::close_stdin, in.id);
    Message exited = receive();
    EXPECT_EQ(exited.reply.type, KeeperMessage::exited);
    EXPECT_EQ(exited.reply.wait_status, 0);
    request(KeeperMessage::forget, in.id);
}

TEST_F(KeeperTest, AHundredStartsLeaveNothing) {
    auto mounts = [] {
        std::ifstream file("/proc/self/mountinfo");
        return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
    };
    auto mounts_before = mounts();
    run(input({"true"}));
    size_t before = keeper_descriptors();
    EXPECT_GT(before, 0u);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(run(input({"true"})).wait_status, 0);
    EXPECT_EQ(keeper_descriptors(), before);
    EXPECT_EQ(mounts(), mounts_before);
}

}  // namespace
}  // namespace engine::runtime
