#include "engine/runtime/restart_policy.h"

#include <gtest/gtest.h>

namespace engine::runtime {
namespace {

TEST(RestartPolicy, always_and_unless_stopped) {
    for (const int code : {0, 1, 137}) {
        EXPECT_TRUE(should_restart({"always", 0}, code, 1000, true));
        EXPECT_TRUE(should_restart({"unless-stopped", 0}, code, 1000, false));
        EXPECT_FALSE(should_restart({"unless-stopped", 0}, code, 0, true));
        EXPECT_FALSE(should_restart({"no", 0}, code, 0, false));
        EXPECT_FALSE(should_restart({"", 0}, code, 0, false));
    }
}

TEST(RestartPolicy, on_failure_counts) {
    EXPECT_FALSE(should_restart({"on-failure", 0}, 0, 0, false));
    EXPECT_TRUE(should_restart({"on-failure", 0}, 1, 100000, false));
    EXPECT_TRUE(should_restart({"on-failure", 2}, 1, 0, false));
    EXPECT_TRUE(should_restart({"on-failure", 2}, 1, 1, false));
    EXPECT_FALSE(should_restart({"on-failure", 2}, 1, 2, false));
}

TEST(RestartPolicy, the_pause_doubles_up_to_a_minute_and_begins_anew_after_ten_seconds) {
    Nanoseconds pause = 0;
    Nanoseconds expected = 100 * millisecond;
    for (int i = 0; i < 10; ++i) {
        pause = next_restart_pause(pause, second);
        EXPECT_EQ(pause, expected);
        expected *= 2;
    }
    for (int i = 0; i < 3; ++i) {
        pause = next_restart_pause(pause, second);
        EXPECT_EQ(pause, 60 * second);
    }
    EXPECT_EQ(next_restart_pause(pause, 10 * second), 100 * millisecond);
    EXPECT_EQ(next_restart_pause(-1, 0), 100 * millisecond);
}

std::string refusal(const RestartPolicy& policy) {
    const auto checked = check_restart_policy(policy);
    return checked ? "" : checked.error().message();
}

TEST(RestartPolicy, refusals_are_dockerds) {
    EXPECT_EQ(refusal({"", 5}), "");
    EXPECT_EQ(refusal({"always", 0}), "");
    EXPECT_EQ(refusal({"on-failure", 5}), "");
    EXPECT_EQ(refusal({"on-failure", -1}), "invalid restart policy: maximum retry count cannot be negative");
    EXPECT_EQ(refusal({"always", 1}),
              "invalid restart policy: maximum retry count can only be used with 'on-failure'");
    EXPECT_EQ(refusal({"no", -1}),
              "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative");
    EXPECT_EQ(refusal({"sometimes", 0}), "invalid restart policy: unknown policy 'sometimes'; use one of 'no', "
                                         "'always', 'on-failure', or 'unless-stopped'");
}

}  // namespace
}  // namespace engine::runtime
