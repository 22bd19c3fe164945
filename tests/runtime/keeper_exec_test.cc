// EXEC of the keeper's protocol: processes that join a container, and how they end.
#include <simdjson.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "engine/runtime/linux/exec_plan.h"
#include "tests/runtime/keeper_fixture.h"

namespace engine::runtime {
namespace {

class KeeperExecTest : public KeeperTest {
protected:
    // A container that lives until its input is closed.
    std::string start_container(LaunchInput in) {
        auto plan = make_launch_plan(in);
        int status[2], to[2];
        EXPECT_EQ(pipe2(status, O_CLOEXEC) | pipe2(to, O_CLOEXEC), 0);
        request(KeeperMessage::start, in.id, kFdChildStdin | kFdStatus, {to[0], status[1]}, *plan);
        close(to[0]);
        close(status[1]);
        hold_.reset(to[1]);
        LaunchFailure failure;
        EXPECT_EQ(read(status[0], &failure, sizeof failure), 0) << describe_failure(*plan, failure).message;
        close(status[0]);
        Message started = receive();
        EXPECT_EQ(started.reply.type, KeeperMessage::started);
        init_ = started.reply.pid;
        return in.id;
    }
    std::string start_container() { return start_container(input({"cat"})); }

    void end_container(const std::string& id) {
        hold_.reset();
        Message exited = receive();
        EXPECT_EQ(exited.reply.type, KeeperMessage::exited);
        EXPECT_EQ(std::string(exited.reply.id, kContainerIdLength), id);
        request(KeeperMessage::forget, id);
    }

    ExecInput exec_input(const std::string& container, std::vector<std::string> argv) {
        ExecInput in;
        in.argv = std::move(argv);
        in.env = {"PATH=/usr/bin:/bin", "A=b"};
        in.make_cwd = false;
        in.capabilities = default_capabilities();
        in.seccomp_bpf = *compile_seccomp(default_seccomp_profile(), in.capabilities);
        in.cgroups = container_cgroup_directories(host_, parent_, container);
        in.cgroup_v2 = host_.v2;
        return in;
    }

    std::string new_id() {
        char id[65];
        snprintf(id, sizeof id, "e%031d%032d", getpid(), ++execs_);
        return id;
    }

    Ended exec(const std::string& container, const ExecInput& in) {
        Ended ended;
        auto plan = make_exec_plan(in);
        EXPECT_TRUE(plan);
        const std::string id = new_id();
        int status[2], out[2];
        EXPECT_EQ(pipe2(status, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
        UniqueFd status_read(status[0]), out_read(out[0]);
        request(KeeperMessage::exec, id, kFdChildStdout | kFdChildStderr | kFdStatus, {out[1], out[1], status[1]},
                *plan, container);
        close(status[1]);
        close(out[1]);
        LaunchFailure failure;
        if (read(status_read.get(), &failure, sizeof failure) == sizeof failure) {
            ended.failure = describe_exec_failure(*plan, failure);
        }
        char buffer[4096];
        for (ssize_t got; (got = read(out_read.get(), buffer, sizeof buffer)) > 0;)
            ended.output.append(buffer, static_cast<size_t>(got));
        Message started = receive();
        EXPECT_EQ(started.reply.type, KeeperMessage::started) << started.reply.error;
        Message exited = receive();
        EXPECT_EQ(exited.reply.type, KeeperMessage::exited);
        EXPECT_EQ(exited.reply.state, kStateExited | kStateExec);
        ended.wait_status = exited.reply.wait_status;
        request(KeeperMessage::forget, id);
        return ended;
    }

    UniqueFd hold_;
    int init_ = 0;
    int execs_ = 0;
};

TEST_F(KeeperExecTest, JoinsEverything) {
    const std::string id = start_container();
    Ended ended = exec(id, exec_input(id, {"probe"}));
    ASSERT_EQ(ended.wait_status, 0) << ended.failure.message << ended.output;
    simdjson::dom::parser parser;
    simdjson::dom::element seen;
    ASSERT_EQ(parser.parse(ended.output).get(seen), simdjson::SUCCESS) << ended.output;
    auto text = [&](const std::string& key) {
        std::string_view value = "<missing>";
        EXPECT_EQ(seen[key].get(value), simdjson::SUCCESS) << key;
        return std::string(value);
    };
    for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "uts", "user"}) {
        const std::string ns = fs::read_symlink("/proc/" + std::to_string(init_) + "/ns/" + name);
        EXPECT_EQ(text(std::string("ns_") + name), ns);
    }
    std::ifstream groups("/proc/" + std::to_string(init_) + "/cgroup");
    EXPECT_NE(std::string(std::istreambuf_iterator<char>(groups), {}).find(id), std::string::npos);
    EXPECT_EQ(ended.output.find("/../"), std::string::npos) << "in the container's groups: " << ended.output;
    EXPECT_EQ(text("CapEff"), "00000000a80425fb");
    EXPECT_EQ(text("CapBnd"), "00000000a80425fb");
    EXPECT_EQ(text("CapInh"), "0000000000000000");
    EXPECT_EQ(text("Seccomp"), "2");
    EXPECT_EQ(text("SigIgn"), "0000000000000000");
    EXPECT_EQ(text("SigBlk"), "0000000000000000");
    EXPECT_EQ(text("hostname"), "inside");
    simdjson::dom::object fds;
    ASSERT_EQ(seen["fds"].get(fds), simdjson::SUCCESS);
    EXPECT_EQ(fds.size(), 3u) << ended.output;
    EXPECT_EQ(ended.output.find(directory_.string() + "/mnt"), std::string::npos) << "nothing of the host is left";
    end_container(id);
}

TEST_F(KeeperExecTest, UserAndNoNewPrivileges) {
    const std::string id = start_container();
    ExecInput in = exec_input(id, {"probe"});
    in.user = "ann";
    in.cwd = "/tmp";
    in.no_new_privs = true;
    in.oom_score_adj = 5;
    Ended ended = exec(id, in);
    ASSERT_EQ(ended.wait_status, 0) << ended.failure.message;
    EXPECT_NE(ended.output.find("\"uid\":1000,\"gid\":100"), std::string::npos) << ended.output;
    EXPECT_NE(ended.output.find("\"CapEff\":\"0000000000000000\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"NoNewPrivs\":\"1\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"cwd\":\"/tmp\""), std::string::npos);
    EXPECT_NE(ended.output.find("\"oom_score_adj\":[\"5\"]"), std::string::npos);
    EXPECT_NE(ended.output.find("HOME=/home/ann"), std::string::npos);
    end_container(id);
}

TEST_F(KeeperExecTest, Failures) {
    const std::string id = start_container();
    EXPECT_EQ(WEXITSTATUS(exec(id, exec_input(id, {"probe", "exit", "7"})).wait_status), 7);
    EXPECT_EQ(exec(id, exec_input(id, {"nothing"})).failure.exit_code, 127);
    EXPECT_EQ(exec(id, exec_input(id, {"/etc/passwd"})).failure.exit_code, 126);
    ExecInput in = exec_input(id, {"true"});
    in.cwd = "/etc/passwd";
    EXPECT_EQ(exec(id, in).failure.exit_code, 127);
    in.cwd = "/made/here";
    EXPECT_EQ(exec(id, in).failure.exit_code, 127);
    for (int fd = 0; fd < 32; ++fd) {
        in.cwd = "/proc/self/fd/" + std::to_string(fd);
        EXPECT_NE(exec(id, in).failure.exit_code, 0) << fd;
    }
    in = exec_input(id, {"true"});
    in.user = "bob";
    EXPECT_EQ(exec(id, in).failure.message, "unable to find user bob: no matching entries in passwd file");
    end_container(id);
}

TEST_F(KeeperExecTest, RefusedWithoutAContainer) {
    const std::string id = start_container();
    const ExecInput in = exec_input(id, {"true"});
    auto plan = make_exec_plan(in);
    ASSERT_TRUE(plan);
    auto refused = [&](const std::string& exec_id, const std::string& target, const std::string& bytes) {
        int status[2];
        EXPECT_EQ(pipe2(status, O_CLOEXEC), 0);
        request(KeeperMessage::exec, exec_id, kFdStatus, {status[1]}, bytes, target);
        close(status[0]);
        close(status[1]);
        Message answer = receive();
        EXPECT_EQ(answer.reply.type, KeeperMessage::failed);
        return answer.reply.error;
    };
    EXPECT_EQ(refused(new_id(), std::string(64, 'x'), *plan), ESRCH);
    EXPECT_EQ(refused(id, id, *plan), EEXIST);
    EXPECT_EQ(refused(new_id(), id, "no plan at all"), EINVAL);
    EXPECT_EQ(refused(new_id(), "", ""), EINVAL);
    hold_.reset();
    EXPECT_EQ(receive().reply.type, KeeperMessage::exited);
    EXPECT_EQ(refused(new_id(), id, *plan), ESRCH) << "its container has ended";
    request(KeeperMessage::forget, id);
    EXPECT_EQ(run(input({"true"})).wait_status, 0) << "containers start in the host's pid namespace as before";
}

TEST_F(KeeperExecTest, ItsOwnTerminal) {
    const std::string id = start_container();
    ExecInput in = exec_input(id, {"probe"});
    in.tty = true;
    in.rows = 30;
    in.columns = 100;
    auto plan = make_exec_plan(in);
    ASSERT_TRUE(plan);
    const std::string exec_id = new_id();
    int status[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status), 0);
    request(KeeperMessage::exec, exec_id, kFdStatus, {status[1]}, *plan, id);
    close(status[1]);
    LaunchFailure report{};
    const UniqueFd terminal = receive_terminal(status[0], report);
    ASSERT_TRUE(terminal) << describe_exec_failure(*plan, report).message;
    const int master = terminal.get();
    request(KeeperMessage::hold, exec_id, kFdStdin, {master});
    EXPECT_EQ(read(status[0], &report, sizeof report), 0);
    close(status[0]);
    std::string output;
    char buffer[4096];
    for (ssize_t got; (got = read(master, buffer, sizeof buffer)) > 0;)
        output.append(buffer, static_cast<size_t>(got));
    winsize size{};
    EXPECT_EQ(ioctl(master, TIOCGWINSZ, &size), 0);
    EXPECT_EQ(size.ws_row, 30);
    EXPECT_EQ(size.ws_col, 100);
    EXPECT_NE(output.find("\"tty\":\"/dev/pts/0\""), std::string::npos) << output;
    EXPECT_NE(output.find("\"controlling_tty\":true"), std::string::npos) << output;
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    EXPECT_EQ(receive().reply.type, KeeperMessage::exited);
    request(KeeperMessage::forget, exec_id);
    end_container(id);
}

TEST_F(KeeperExecTest, HeldForTheNextEngine) {
    const std::string id = start_container();
    auto plan = make_exec_plan(exec_input(id, {"cat"}));
    ASSERT_TRUE(plan);
    const std::string exec_id = new_id();
    int status[2], to[2], from[2];
    ASSERT_EQ(pipe2(status, O_CLOEXEC) | pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    const int note = memfd_create("note", MFD_CLOEXEC);
    ASSERT_EQ(write(note, "told", 4), 4);
    request(KeeperMessage::exec, exec_id,
            kFdChildStdin | kFdChildStdout | kFdStatus | kFdStdin | kFdStdout | kFdNote,
            {to[0], from[1], status[1], to[1], from[0], note}, *plan, id);
    for (int fd : {to[0], from[1], status[1], to[1], from[0], note}) close(fd);
    char byte;
    ASSERT_EQ(read(status[0], &byte, 1), 0);
    close(status[0]);
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    connect_engine();
    request(KeeperMessage::list, "");
    Message container = receive(), listed = receive();
    EXPECT_EQ(container.reply.state, kStateRunning);
    ASSERT_EQ(listed.reply.type, KeeperMessage::listed);
    EXPECT_EQ(listed.reply.state, kStateRunning | kStateExec);
    EXPECT_EQ(listed.reply.fds, kFdStdin | kFdStdout | kFdPidfd | kFdNote);
    ASSERT_EQ(listed.fds.size(), 4u);
    EXPECT_EQ(receive().reply.type, KeeperMessage::list_end);
    char buffer[32];
    EXPECT_EQ(pread(listed.fds[3].get(), buffer, sizeof buffer, 0), 4);
    EXPECT_EQ(write(listed.fds[0].get(), "still here", 10), 10);
    EXPECT_EQ(read(listed.fds[1].get(), buffer, sizeof buffer), 10);
    listed.fds[0].reset();
    request(KeeperMessage::close_stdin, exec_id);
    Message exited = receive();
    EXPECT_EQ(exited.reply.type, KeeperMessage::exited);
    EXPECT_EQ(std::string(exited.reply.id, kContainerIdLength), exec_id);
    request(KeeperMessage::forget, exec_id);
    end_container(id);
}

TEST_F(KeeperExecTest, TheContainersEndEndsThemFirst) {
    const std::string id = start_container();
    auto plan = make_exec_plan(exec_input(id, {"sleep", "1000"}));
    ASSERT_TRUE(plan);
    const std::string exec_id = new_id();
    int status[2];
    ASSERT_EQ(pipe2(status, O_CLOEXEC), 0);
    request(KeeperMessage::exec, exec_id, kFdStatus, {status[1]}, *plan, id);
    close(status[1]);
    char byte;
    ASSERT_EQ(read(status[0], &byte, 1), 0);
    close(status[0]);
    EXPECT_EQ(receive().reply.type, KeeperMessage::started);
    hold_.reset();
    Message first = receive();
    EXPECT_EQ(std::string(first.reply.id, kContainerIdLength), exec_id);
    EXPECT_EQ(first.reply.wait_status, SIGKILL);
    EXPECT_EQ(std::string(receive().reply.id, kContainerIdLength), id);
    request(KeeperMessage::forget, exec_id);
    request(KeeperMessage::forget, id);
}

TEST_F(KeeperExecTest, AThousandLeaveNothing) {
    const std::string id = start_container();
    const ExecInput in = exec_input(id, {"true"});
    exec(id, in);
    const size_t before = keeper_descriptors();
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(exec(id, in).wait_status, 0);
    EXPECT_EQ(keeper_descriptors(), before);
    end_container(id);
}

}  // namespace
}  // namespace engine::runtime
