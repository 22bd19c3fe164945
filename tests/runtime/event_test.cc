// What a listener to events gets: matching, history, and its bound.
#include "engine/runtime/event.h"

#include <gtest/gtest.h>

#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

EventMessage died() {
    EventMessage message;
    message.type = "container";
    message.action = "die";
    message.actor_id = "0123456789abcdef";
    message.attributes = {{"image", "busybox:1"}, {"name", "web"}, {"tier", "front"}, {"exitCode", "3"}};
    message.time = 1'700'000'000'000'000'005;
    return message;
}

bool matches(EventFilter::Values values, const EventMessage& message = died()) {
    return EventFilter(std::move(values)).matches(message);
}

TEST(Event, TextIsDockers) {
    EXPECT_EQ(event_text(died()),
              "{\"status\":\"die\",\"id\":\"0123456789abcdef\",\"from\":\"busybox:1\",\"Type\":\"container\","
              "\"Action\":\"die\","
              "\"Actor\":{\"ID\":\"0123456789abcdef\",\"Attributes\":{\"exitCode\":\"3\",\"image\":\"busybox:1\","
              "\"name\":\"web\",\"tier\":\"front\"}},\"scope\":\"local\",\"time\":1700000000,"
              "\"timeNano\":1700000000000000005}\n");
}

TEST(EventFilter, MatchesAsDockerd) {
    EXPECT_TRUE(matches({}));
    EXPECT_TRUE(matches({{"event", {"start", "die"}}}));
    EXPECT_FALSE(matches({{"event", {"di"}}}));
    EXPECT_TRUE(matches({{"container", {"0123"}}}));
    EXPECT_TRUE(matches({{"container", {"we"}}}));
    EXPECT_FALSE(matches({{"container", {"db"}}}));
    EXPECT_TRUE(matches({{"image", {"busybox"}}}));
    EXPECT_TRUE(matches({{"image", {"busybox:1"}}}));
    EXPECT_FALSE(matches({{"image", {"busybox:2"}}}));
    EXPECT_TRUE(matches({{"label", {"tier=front", "name"}}}));
    EXPECT_FALSE(matches({{"label", {"tier=front", "tier=back"}}}));
    EXPECT_TRUE(matches({{"type", {"image", "container"}}, {"scope", {"local"}}}));
    EXPECT_FALSE(matches({{"scope", {"swarm"}}}));
    EXPECT_FALSE(matches({{"volume", {"data"}}}));
    EXPECT_TRUE(matches({{"no-such-filter", {"x"}}}));  // dockerd passes it
}

TEST(EventFilter, ExecAndHealthEventsByWhatStandsBeforeTheColon) {
    EventMessage message = died();
    message.action = "exec_start: sh -c true";
    EXPECT_TRUE(matches({{"event", {"exec_start"}}}, message));
    EXPECT_FALSE(matches({{"event", {"exec_create"}}}, message));
}

TEST(Events, HistoryIsBounded) {
    Events events;
    for (std::size_t i = 0; i < Events::history_max + 5; ++i)
        events.publish("container", "start", std::to_string(i), {});
    const auto all = events.history(0, 0, {});
    ASSERT_EQ(all.size(), Events::history_max);
    EXPECT_EQ(all.front()->actor_id, "5");
    EXPECT_EQ(events.history(all.back()->time + 1, 0, {}).size(), 0u);
}

Task<void> overrun(Events* events, std::size_t* taken, bool* dropped) {
    Events::Listener listener(events, EventFilter());
    for (std::size_t i = 0; i < Events::waiting_max; ++i) events->publish("container", "start", "a", {});
    CO_TRY(auto first, co_await listener.take({}));
    *taken += first != nullptr;
    events->publish("container", "start", "fits again", {});
    events->publish("container", "start", "one too many", {});
    auto next = co_await listener.take({});
    *dropped = !next;
    co_return Result<void>{};
}

TEST(Events, AListenerThatDoesNotReadIsDropped) {
    auto loop = reactor::Loop::create({});
    ASSERT_TRUE(loop);
    Events events;
    std::size_t taken = 0;
    bool dropped = false;
    ASSERT_TRUE((*loop)->run(overrun(&events, &taken, &dropped)));
    EXPECT_EQ(taken, 1u);
    EXPECT_TRUE(dropped);
    EXPECT_EQ(events.listeners(), 0u);
}

}  // namespace
}  // namespace engine::runtime
