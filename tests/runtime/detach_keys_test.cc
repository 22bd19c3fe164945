#include "engine/runtime/detach_keys.h"

#include <gtest/gtest.h>

namespace engine::runtime {
namespace {

TEST(DetachKeys, HoldsBackABeginning) {
    DetachMatcher matcher(*parse_detach_keys("ctrl-p,ctrl-q"));
    std::string out;
    EXPECT_FALSE(matcher.feed("a\x10", out));
    EXPECT_EQ(out, "a");
    EXPECT_FALSE(matcher.feed("\x10", out));
    EXPECT_EQ(out, "a\x10");
    EXPECT_TRUE(matcher.feed("\x11zz", out));
    EXPECT_EQ(out, "a\x10");
    EXPECT_FALSE(parse_detach_keys("ctrl-1"));
    EXPECT_EQ(*parse_detach_keys("a,ctrl-["), "a\x1b");
}

}  // namespace
}  // namespace engine::runtime
