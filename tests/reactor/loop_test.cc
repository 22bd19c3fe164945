#include "engine/reactor/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/reactor/child_process.h"
#include "engine/reactor/event.h"
#include "engine/reactor/io.h"
#include "engine/reactor/limits.h"
#include "engine/reactor/log.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/try.h"

namespace engine::reactor {
namespace {

// Every test runs on both rings: the newest flags and the plain one of the oldest kernel.
class LoopTest : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        auto loop = Loop::create({.plain_ring = GetParam(), .log_slow_turns = false});
        ASSERT_TRUE(loop.has_value()) << loop.error().message();
        loop_ = std::move(*loop);
    }
    void TearDown() override {
        EXPECT_EQ(frames_live(), 0u) << task_tree();
        loop_.reset();
    }
    std::unique_ptr<Loop> loop_;
};

struct Pipe {
    Pipe() {
        int ends[2];
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
        read_end.reset(ends[0]);
        write_end.reset(ends[1]);
    }
    UniqueFd read_end;
    UniqueFd write_end;
};

Task<int> answer() { co_return 42; }
Task<int> refuse() { co_return fail(ErrorKind::conflict, "no"); }

Task<void> awaits_values() {
    CO_TRY(auto value, co_await answer());
    EXPECT_EQ(value, 42);
    auto refused = co_await refuse();
    EXPECT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    co_return Result<void>{};
}
TEST_P(LoopTest, TaskYieldsValueOrError) { EXPECT_TRUE(loop_->run(awaits_values()).has_value()); }

Task<void> pipe_writer(int fd) {
    co_return co_await io::write_all(fd, io::bytes_of("hello"));
}
Task<void> pipe_round_trip() {
    Pipe pipe;
    Scope scope("test");
    scope.spawn("writer", pipe_writer(pipe.write_end.get()));
    std::byte buffer[16];
    CO_TRY(auto got, co_await io::read(pipe.read_end.get(), buffer));
    EXPECT_EQ(got, 5u);
    CO_TRY_VOID(co_await scope.join());
    co_return Result<void>{};
}
TEST_P(LoopTest, ReadWaitsForWriter) { EXPECT_TRUE(loop_->run(pipe_round_trip()).has_value()); }

Task<void> read_with_deadline() {
    Pipe pipe;
    Deadline deadline(5 * millisecond);
    std::byte buffer[16];
    auto got = co_await io::read(pipe.read_end.get(), buffer, deadline.token());
    EXPECT_FALSE(got.has_value());
    EXPECT_EQ(got.error().kind(), ErrorKind::timed_out);
    co_return Result<void>{};
}
TEST_P(LoopTest, DeadlineEndsARead) { EXPECT_TRUE(loop_->run(read_with_deadline()).has_value()); }

Task<void> sleeper(StopToken stop, ErrorKind* kind) {
    auto slept = co_await sleep_for(3600 * second, stop);
    *kind = slept ? ErrorKind::internal : slept.error().kind();
    co_return Result<void>{};
}
Task<void> scope_stops() {
    Scope scope("test");
    ErrorKind kinds[3];
    for (ErrorKind& kind : kinds) scope.spawn("sleeper", sleeper(scope.token(), &kind));
    CO_TRY_VOID(co_await sleep_for(millisecond));
    scope.request_stop();
    CO_TRY_VOID(co_await scope.join());
    for (ErrorKind kind : kinds) EXPECT_EQ(kind, ErrorKind::canceled);
    co_return Result<void>{};
}
TEST_P(LoopTest, StoppingAScopeEndsItsTasks) { EXPECT_TRUE(loop_->run(scope_stops()).has_value()); }

Task<void> in_lane(Lane* lane, std::string* order, char name) {
    CO_TRY(auto held, co_await lane->enter());
    *order += name;
    CO_TRY_VOID(co_await sleep_for(millisecond));
    *order += name;
    co_return Result<void>{};
}
Task<void> lane_orders(std::string* order) {
    Lane lane;
    Scope scope("test");
    for (char name : {'a', 'b', 'c'}) scope.spawn("holder", in_lane(&lane, order, name));
    CO_TRY_VOID(co_await scope.join());
    EXPECT_FALSE(lane.busy());
    co_return Result<void>{};
}
TEST_P(LoopTest, LaneAdmitsOneAtATimeInOrder) {
    std::string order;
    EXPECT_TRUE(loop_->run(lane_orders(&order)).has_value());
    EXPECT_EQ(order, "aabbcc");
}

Task<void> child_exit_codes() {
    const std::vector<std::string> environment;
    const std::vector<std::string> exits = {"/bin/sh", "-c", "exit 7"};
    CO_TRY(auto child, ChildProcess::spawn(exits, environment, {}));
    CO_TRY(auto status, co_await child.wait());
    EXPECT_EQ(status.code, 7);
    const std::vector<std::string> sleeps = {"/bin/sleep", "1000"};
    CO_TRY(auto sleeping, ChildProcess::spawn(sleeps, environment, {}));
    Deadline deadline(5 * millisecond);
    CO_TRY(auto killed, co_await sleeping.wait(deadline.token()));
    EXPECT_EQ(killed.signal, SIGKILL);
    const std::vector<std::string> missing = {"/nonexistent/program"};
    auto refused = ChildProcess::spawn(missing, environment, {});
    EXPECT_FALSE(refused.has_value());
    co_return Result<void>{};
}
TEST_P(LoopTest, ChildProcessIsReapedOnTheRing) { EXPECT_TRUE(loop_->run(child_exit_codes()).has_value()); }

Task<void> deep(int depth) {
    if (depth == 0) co_return co_await sleep_for(microsecond);
    co_return co_await deep(depth - 1);
}
Task<void> many_turns() {
    for (int i = 0; i < 2000; ++i) {
        CO_TRY_VOID(co_await deep(5));
    }
    co_return Result<void>{};
}
TEST_P(LoopTest, ResumptionDoesNotGrowTheStack) { EXPECT_TRUE(loop_->run(many_turns()).has_value()); }

Task<void> opens_missing() {
    auto content = co_await io::read_file("/nonexistent/file", 10);
    EXPECT_EQ(content.error().error_number(), ENOENT);
    co_return Result<void>{};
}
TEST_P(LoopTest, ErrnoReachesTheError) { EXPECT_TRUE(loop_->run(opens_missing()).has_value()); }

Task<void> keeps_the_loop(Nanoseconds time) {
    CO_TRY_VOID(co_await sleep_for(microsecond));
    const Nanoseconds until = monotonic_ns() + time;
    while (monotonic_ns() < until) {
    }
    co_return Result<void>{};
}
Task<void> waits_for_it() {
    const Nanoseconds time = 2 * turn_slow_ns;
    co_return co_await keeps_the_loop(time);
}
Task<void> one_slow_turn() {
    Scope scope("test");
    scope.spawn("slow task", waits_for_it());
    co_return co_await scope.join();
}
TEST_P(LoopTest, ASlowTurnIsCountedAndNamed) {
    loop_.reset();
    auto loop = Loop::create({.plain_ring = GetParam(), .log_slow_turns = true});
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    log_level_set(LogLevel::debug);
    testing::internal::CaptureStderr();
    EXPECT_TRUE(loop_->run(one_slow_turn()).has_value());
    const std::string log = testing::internal::GetCapturedStderr();
    log_level_set(LogLevel::info);
    EXPECT_GE(loop_->counters().turns_slow, 1u);
    EXPECT_GE(loop_->counters().turn_longest, 2 * turn_slow_ns);
    EXPECT_NE(log.find("test: slow task > waits_for_it > keeps_the_loop"), std::string::npos) << log;
}

Task<void> waits_in_a_scope(StopToken stop) {
    auto slept = co_await sleep_for(3600 * second, stop);
    ignore_result(slept, "it is stopped");
    co_return Result<void>{};
}
Task<void> outer(StopToken stop) { co_return co_await waits_in_a_scope(stop); }
Task<void> prints_the_tree(std::string* tree) {
    Scope scope("room");
    scope.spawn("sleeper", outer(scope.token()));
    *tree = task_tree();
    scope.request_stop();
    co_return co_await scope.join();
}
TEST_P(LoopTest, TheTaskTreeSaysWhoWaitsForWhat) {
    std::string tree;
    EXPECT_TRUE(loop_->run(prints_the_tree(&tree)).has_value());
    EXPECT_EQ(tree, "room\n  sleeper > outer > waits_in_a_scope [sleep]\n");
}

Task<void> splices() {
    Pipe from;
    Pipe to;
    const auto text = io::bytes_of("spliced");
    CO_TRY_VOID(co_await io::write_all(from.write_end.get(), text));
    CO_TRY(auto moved, co_await io::splice(from.read_end.get(), to.write_end.get(), 4096));
    EXPECT_EQ(moved, text.size());
    char buffer[16];
    const auto room = std::as_writable_bytes(std::span(buffer));
    CO_TRY(auto got, co_await io::read(to.read_end.get(), room));
    EXPECT_EQ(std::string(buffer, got), "spliced");
    co_return Result<void>{};
}
TEST_P(LoopTest, SpliceMovesBetweenPipes) { EXPECT_TRUE(loop_->run(splices()).has_value()); }

INSTANTIATE_TEST_SUITE_P(Rings, LoopTest, testing::Values(false, true),
                         [](const auto& ring) { return ring.param ? "Plain" : "Newest"; });

}  // namespace
}  // namespace engine::reactor
