#include "engine/runtime/json_log_writer.h"

#include <gtest/gtest.h>

#include "engine/runtime/go_time.h"

namespace engine::runtime {
namespace {

TEST(JsonLogEncoder, WritesDockersForm) {
    JsonLogEncoder encoder;
    std::string out;
    encoder.append(LogStream::stdout_, "hel", 1'500'000'000, out);
    EXPECT_EQ(out, "");
    encoder.append(LogStream::stdout_, "lo <\"\n\xff", 1'500'000'000, out);
    EXPECT_EQ(out, "{\"log\":\"hello \\u003c\\\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01.5Z\"}\n");
    out.clear();
    encoder.finish(LogStream::stdout_, 2'000'000'000, out);
    EXPECT_EQ(out, "{\"log\":\"\\ufffd\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:02Z\"}\n");
}

TEST(JsonLogEncoder, SplitsLongLines) {
    JsonLogEncoder encoder;
    std::string out;
    encoder.append(LogStream::stderr_, std::string(16 * 1024 + 5, 'x') + "\n", 1, out);
    EXPECT_NE(out.find("x\",\"stream\":\"stderr\""), std::string::npos);
    EXPECT_NE(out.find("{\"log\":\"xxxxx\\n\""), std::string::npos);
}

TEST(GoTime, Words) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    EXPECT_EQ(human_duration(0), "Less than a second");
    EXPECT_EQ(human_duration(5 * kSecond), "5 seconds");
    EXPECT_EQ(human_duration(61 * kSecond), "About a minute");
    EXPECT_EQ(human_duration(3600 * kSecond), "About an hour");
    EXPECT_EQ(rfc3339_nano(0), "0001-01-01T00:00:00Z");
}

}  // namespace
}  // namespace engine::runtime
