#include "engine/api/go_pattern.h"

#include <gtest/gtest.h>

namespace engine::api {
namespace {

bool matches(const std::string& pattern, const std::string& text) { return GoPattern(pattern).matches(text); }

TEST(GoPattern, is_found_anywhere) {
    EXPECT_TRUE(matches("eb", "/web1"));
    EXPECT_FALSE(matches("^eb", "/web1"));
    EXPECT_TRUE(matches("^/?web\\d+$", "/web12"));
    EXPECT_FALSE(matches("^web\\D$", "web1"));
    EXPECT_TRUE(matches("(?:a|b)+c", "xabac"));
    EXPECT_TRUE(matches("(?i)WEB", "/web"));
    EXPECT_TRUE(matches("\\Aweb\\z", "web"));
    EXPECT_TRUE(matches("a{2,3}", "aa"));
}

TEST(GoPattern, what_go_refuses_matches_only_itself) {
    for (const std::string bad : {"(", "a(b", "[", "*a)", "(a)\\1", "a{1001}", "((a{100}){100}){100}"}) {
        EXPECT_TRUE(matches(bad, bad)) << bad;
        EXPECT_FALSE(matches(bad, "aa")) << bad;
    }
    EXPECT_FALSE(matches(std::string(10000, 'a'), "a"));
}

}  // namespace
}  // namespace engine::api
