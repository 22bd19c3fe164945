// Events over a restart: what was published is found again, bounded, and a torn line does no harm.
#include "engine/runtime/event_journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"
#include "tests/support/scratch.h"

namespace engine::runtime {
namespace {

struct Published {
    std::string path;
    int from = 0;
    int count = 0;
    std::size_t attribute_bytes = 1;
};

Task<void> publish(Published what) {
    EventJournal journal(what.path);
    Events events;
    events.keep_in(&journal);
    for (int i = what.from; i < what.from + what.count; ++i) {
        EventAttributes attributes;
        attributes["name"] = std::string(what.attribute_bytes, 'n');
        events.publish("container", "start", std::to_string(i), std::move(attributes));
    }
    CO_TRY_VOID(co_await journal.close());
    co_return Result<void>{};
}

class EventJournalTest : public testing::Test {
protected:
    void run(int from, int count, std::size_t attribute_bytes = 1) {
        auto loop = reactor::Loop::create({});
        ASSERT_TRUE(loop);
        ASSERT_TRUE((*loop)->run(publish({path, from, count, attribute_bytes})));
    }
    std::vector<std::string> known() {
        const auto loop = reactor::Loop::create({});
        EXPECT_TRUE(loop);
        EventJournal journal(path);
        std::vector<std::string> ids;
        for (const EventMessage& message : journal.open(Events::history_max)) ids.push_back(message.actor_id);
        return ids;
    }
    std::size_t bytes(const std::string& name) {
        struct stat facts {};
        return stat(name.c_str(), &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
    }

    test::Scratch scratch{"event-journal-test"};
    std::string path = scratch.path() + "/events.log";
};

TEST_F(EventJournalTest, IsReadBackInOrder) {
    run(0, 3);
    run(3, 2);
    EXPECT_EQ(known(), (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

TEST_F(EventJournalTest, ATornLineIsPassedOver) {
    run(0, 2);
    std::ofstream(path, std::ios::app) << "{\"status\":\"sta";
    run(2, 1);
    EXPECT_EQ(known(), (std::vector<std::string>{"0", "1", "2"}));
}

TEST_F(EventJournalTest, IsBoundedByCountAndBytes) {
    for (int i = 0; i < 10; ++i) run(i * 500, 500, 300);
    const auto ids = known();
    EXPECT_LE(ids.size(), Events::history_max);
    EXPECT_GT(ids.size(), 500u);
    EXPECT_EQ(ids.back(), "4999");
    EXPECT_LT(bytes(path) + bytes(path + ".1"), 3u << 20);
}

TEST_F(EventJournalTest, WithoutAFileEventsGoOn) {
    path = scratch.path() + "/missing/events.log";
    run(0, 3);
    EXPECT_TRUE(known().empty());
}

}  // namespace
}  // namespace engine::runtime
