#include "engine/runtime/detach_keys.h"

#include <gtest/gtest.h>

namespace engine::runtime {
namespace {

TEST(DetachKeys, HoldsBackABeginning) {
    auto keys = parse_detach_keys("ctrl-p,ctrl-q");
    ASSERT_TRUE(keys);
    DetachMatcher matcher(*keys);
    std::string out;
    EXPECT_FALSE(matcher.feed("a\x10", out));
    EXPECT_EQ(out, "a");
    EXPECT_FALSE(matcher.feed("\x10", out));
    EXPECT_EQ(out, "a\x10");
    EXPECT_TRUE(matcher.feed("\x11zz", out));
    EXPECT_EQ(out, "a\x10");
    EXPECT_FALSE(parse_detach_keys("ctrl-1"));
    auto other = parse_detach_keys("a,ctrl-[");
    ASSERT_TRUE(other);
    EXPECT_EQ(*other, "a\x1b");
}

}  // namespace
}  // namespace engine::runtime
