#include "engine/reactor/receive_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "engine/reactor/io.h"
#include "engine/reactor/limits.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::reactor {
namespace {

struct Ends {
    Ends() {
        int both[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
        peer.reset(both[0]);
        ours.reset(both[1]);
    }
    UniqueFd peer, ours;
};

std::string take_all(ReceiveStream& stream) {
    std::string out(stream.present(), '\0');
    EXPECT_EQ(stream.take(std::as_writable_bytes(std::span(out))), out.size());
    return out;
}

class ReceiveStreamTest : public testing::Test {
protected:
    void SetUp() override {
        auto loop = Loop::create({});
        ASSERT_TRUE(loop.has_value()) << loop.error().message();
        loop_ = std::move(*loop);
        if (!loop_->backend().features().buffer_ring) GTEST_SKIP() << "this kernel has no provided buffers";
    }
    std::unique_ptr<Loop> loop_;
};

Task<void> messages_and_end() {
    Ends ends;
    ReceiveStream stream(ends.ours.get());
    // More often than there are buffers: each goes back.
    for (std::size_t i = 0; i < 3 * receive_buffers; ++i) {
        const std::string text = "message " + std::to_string(i);
        const auto bytes = io::bytes_of(text);
        CO_TRY_VOID(co_await io::send_all(ends.peer.get(), bytes));
        CO_TRY_VOID(co_await stream.arrival({}));
        EXPECT_EQ(take_all(stream), text);
    }
    ends.peer.reset();
    CO_TRY_VOID(co_await stream.arrival({}));
    EXPECT_EQ(stream.present(), 0u);
    EXPECT_TRUE(stream.ended());
    co_return co_await stream.pause();
}
TEST_F(ReceiveStreamTest, MessagesThenTheEnd) { EXPECT_TRUE(loop_->run(messages_and_end()).has_value()); }

Task<void> pauses() {
    Ends ends;
    ReceiveStream stream(ends.ours.get());
    const auto first = io::bytes_of("first");
    const auto second = io::bytes_of("second");
    CO_TRY_VOID(co_await io::send_all(ends.peer.get(), first));
    CO_TRY_VOID(co_await stream.arrival({}));
    CO_TRY_VOID(co_await stream.pause());
    EXPECT_FALSE(stream.in_flight);
    CO_TRY_VOID(co_await io::send_all(ends.peer.get(), second));
    char buffer[16];
    const auto room = std::as_writable_bytes(std::span(buffer));
    CO_TRY(const auto got, co_await io::recv(ends.ours.get(), room));
    EXPECT_EQ(std::string(buffer, got), "second");
    EXPECT_EQ(take_all(stream), "first");
    // And on again.
    CO_TRY_VOID(co_await io::send_all(ends.peer.get(), first));
    CO_TRY_VOID(co_await stream.arrival({}));
    EXPECT_EQ(take_all(stream), "first");
    co_return co_await stream.pause();
}
TEST_F(ReceiveStreamTest, PausedOthersMayRead) { EXPECT_TRUE(loop_->run(pauses()).has_value()); }

// Nobody takes what comes: the peer has to wait, other connections still find buffers, and nothing is lost.
Task<void> floods() {
    constexpr std::size_t all = 4 << 20;
    Ends ends;
    ReceiveStream stream(ends.ours.get());
    std::string sent(all, '\0');
    for (std::size_t i = 0; i < all; ++i) sent[i] = static_cast<char>('a' + i % 23);
    std::size_t done = 0;
    const auto send_what_fits = [&] {
        while (done < all) {
            const ssize_t n = ::send(ends.peer.get(), sent.data() + done, all - done, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n <= 0) break;
            done += static_cast<std::size_t>(n);
        }
    };
    send_what_fits();
    CO_TRY_VOID(co_await stream.arrival({}));
    for (int i = 0; i < 50; ++i) {
        send_what_fits();
        CO_TRY_VOID(co_await sleep_for(millisecond));
    }
    EXPECT_LT(done, all);
    EXPECT_LE(stream.present(), received_bytes_max + receive_buffers * receive_buffer_bytes);

    Ends other;
    ReceiveStream calm(other.ours.get());
    const auto text = io::bytes_of("calm");
    CO_TRY_VOID(co_await io::send_all(other.peer.get(), text));
    CO_TRY_VOID(co_await calm.arrival({}));
    EXPECT_EQ(take_all(calm), "calm");
    CO_TRY_VOID(co_await calm.pause());

    std::string got;
    while (got.size() < all) {
        CO_TRY_VOID(co_await stream.arrival({}));
        got += take_all(stream);
        send_what_fits();
    }
    EXPECT_TRUE(got == sent);
    co_return co_await stream.pause();
}
TEST_F(ReceiveStreamTest, AFloodThatNobodyTakesIsBounded) { EXPECT_TRUE(loop_->run(floods()).has_value()); }

Task<void> is_stopped() {
    Ends ends;
    ReceiveStream stream(ends.ours.get());
    {
        Deadline deadline(5 * millisecond);
        auto came = co_await stream.arrival(deadline.token());
        EXPECT_FALSE(came.has_value());
        EXPECT_EQ(came.error().kind(), ErrorKind::timed_out);
    }
    // What comes after a wait that was given up is not lost.
    const auto text = io::bytes_of("late");
    CO_TRY_VOID(co_await io::send_all(ends.peer.get(), text));
    CO_TRY_VOID(co_await stream.arrival({}));
    EXPECT_EQ(take_all(stream), "late");
    co_return co_await stream.pause();
}
TEST_F(ReceiveStreamTest, AWaitMayBeGivenUp) { EXPECT_TRUE(loop_->run(is_stopped()).has_value()); }

}  // namespace
}  // namespace engine::reactor
