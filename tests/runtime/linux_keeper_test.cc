// The keeper itself, through its protocol: containers start in a rootfs made here, the probe says what they see.
#include <simdjson.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/runtime/keeper_fixture.h"

namespace engine::runtime {
namespace {

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
    LaunchInput in = input({"probe"});
    in.tty = true;
    in.rows = 30;
    in.columns = 100;
    auto plan = make_launch_plan(in);
    ASSERT_TRUE(plan);
    int status[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status), 0);
    request(KeeperMessage::start, in.id, kFdStatus, {status[1]}, *plan);
    close(status[1]);
    LaunchFailure report{};
    const UniqueFd master = receive_terminal(status[0], report);
    ASSERT_TRUE(master) << describe_failure(*plan, report).message;
    request(KeeperMessage::hold, in.id, kFdStdin, {master.get()});
    EXPECT_EQ(read(status[0], &report, sizeof report), 0);
    close(status[0]);
    std::string output;
    char buffer[4096];
    for (ssize_t got; (got = read(master.get(), buffer, sizeof buffer)) > 0;)
        output.append(buffer, static_cast<size_t>(got));
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    EXPECT_EQ(receive().reply.type, KeeperMessage::exited);
    EXPECT_NE(output.find("\"controlling_tty\":true"), std::string::npos) << output;
    EXPECT_NE(output.find("\"tty\":\"/dev/pts/0\""), std::string::npos) << output;
    EXPECT_NE(output.find(" /dev/console "), std::string::npos);
    winsize size{};
    EXPECT_EQ(ioctl(master.get(), TIOCGWINSZ, &size), 0);
    EXPECT_EQ(size.ws_row, 30);
    EXPECT_EQ(size.ws_col, 100);
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
