#include "engine/api/filters.h"

#include <gtest/gtest.h>

#include "engine/api/router.h"

namespace engine::api {
namespace {

TEST(Filters, BothFormsAreTheSame) {
    auto list = parse_filters(R"({"label":["a","b=c"]})");
    auto set = parse_filters(R"({"label":{"a":true,"b=c":true,"no":false}})");
    ASSERT_TRUE(list && set);
    EXPECT_EQ(*list, *set);
    EXPECT_TRUE(parse_filters("")->empty());
    EXPECT_TRUE(parse_filters("{}")->empty());
}

TEST(Filters, RefusesOtherForms) {
    for (const char* bad : {"x", "[]", "{\"a\":1}", "{\"a\":[1]}", "{\"a\":{\"b\":2}}", "{"})
        EXPECT_FALSE(parse_filters(bad).has_value()) << bad;
    auto filters = parse_filters(R"({"colour":["red"]})");
    ASSERT_TRUE(filters);
    auto checked = check_filters(*filters, {"label"});
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message(), "invalid filter 'colour'");
}

TEST(ApiVersion, RangeAndWords) {
    std::string path = "/v1.41/info";
    EXPECT_EQ(take_version(path)->minor, 41);
    EXPECT_EQ(path, "/info");
    path = "/info";
    EXPECT_EQ(take_version(path)->minor, 51);
    path = "/v1.15/info";
    EXPECT_TRUE(take_version(path).has_value());
    path = "/v1.99/info";
    EXPECT_EQ(take_version(path).error().message(),
              "client version 1.99 is too new. Maximum supported API version is 1.51");
    path = "/v1.2/info";
    EXPECT_FALSE(take_version(path).has_value());
}

TEST(Router, PatternsCapture) {
    std::vector<std::string_view> captures;
    EXPECT_TRUE(match_pattern("/images/{*}/json", "/images/a/b/c:1/json", captures));
    EXPECT_EQ(captures.front(), "a/b/c:1");
    captures.clear();
    EXPECT_FALSE(match_pattern("/containers/{}/json", "/containers/a/b/json", captures));
    captures.clear();
    EXPECT_FALSE(match_pattern("/containers/{}/json", "/containers//json", captures));
}

TEST(Request, TargetsAreDecoded) {
    Request request;
    request.target = "/a%20b?x=1+2&x=3&y=%41&flag=0";
    ASSERT_TRUE(parse_target(request).has_value());
    EXPECT_EQ(request.path, "/a%20b");
    EXPECT_EQ(request.parameter("x"), "1 2");
    EXPECT_EQ(request.parameter("y"), "A");
    EXPECT_FALSE(request.flag("flag", true));
    request.clear();
    request.target = "/?x=%4";
    EXPECT_FALSE(parse_target(request).has_value());
}

}  // namespace
}  // namespace engine::api
