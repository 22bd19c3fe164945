#include "engine/api/time_parameter.h"

#include <gtest/gtest.h>

namespace engine::api {
namespace {

constexpr Nanoseconds now = 1'700'000'000 * second;

Nanoseconds time_of(std::string_view text) {
    auto parsed = parse_time(text, now);
    EXPECT_TRUE(parsed && *parsed) << text;
    return parsed && *parsed ? **parsed : -1;
}

TEST(TimeParameter, Forms) {
    EXPECT_FALSE(*parse_time("", now));
    EXPECT_EQ(time_of("1700000000"), now);
    EXPECT_EQ(time_of("1700000000.000000001"), now + 1);
    EXPECT_EQ(time_of("1700000000.5"), now + second / 2);
    EXPECT_EQ(time_of("2023-11-14T22:13:20Z"), now);
    EXPECT_EQ(time_of("2023-11-14T23:13:20.25+01:00"), now + second / 4);
    EXPECT_EQ(time_of("2023-11-14"), now - (22 * 3600 + 13 * 60 + 20) * second);
    EXPECT_EQ(time_of("10m"), now - 600 * second);
    EXPECT_LT(time_of("0111-01-01"), -9'000'000'000 * second);
    EXPECT_GT(time_of("9999-12-31T23:59:59.999999999999Z"), 9'000'000'000 * second);
    EXPECT_EQ(time_of("1h1.5s"), now - 3601 * second - second / 2);
}

TEST(TimeParameter, Refused) {
    for (const char* text : {"x", "5 m", "2023-11-14T", "2023-11-14T22:13:20Zx", "1.5.5", "1700000000.1234567890",
                             "99999999999999999999", "10parsecs"})
        EXPECT_FALSE(parse_time(text, now)) << text;
}

}  // namespace
}  // namespace engine::api
