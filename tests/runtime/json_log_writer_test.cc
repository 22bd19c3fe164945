#include "engine/runtime/json_log_writer.h"

#include <gtest/gtest.h>

#include "engine/runtime/go_time.h"

namespace engine::runtime {
namespace {

TEST(JsonLogEncoder, WritesDockersForm) {
    JsonLogEncoder encoder;
    std::string out;
    encoder.line(LogStream::stdout_, "hello <\"", true, 1'500'000'000, out);
    EXPECT_EQ(out, "{\"log\":\"hello \\u003c\\\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01.5Z\"}\n");
    out.clear();
    encoder.line(LogStream::stderr_, "\xff", false, 2'000'000'000, out);
    EXPECT_EQ(out, "{\"log\":\"\\ufffd\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:02Z\"}\n");
}

TEST(JsonLogEncoder, AttributesStandBetweenStreamAndTime) {
    JsonLogEncoder encoder(R"({"a":"b"})");
    std::string out;
    encoder.line(LogStream::stdout_, "x", true, 2'000'000'000, out);
    EXPECT_EQ(out,
              "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"1970-01-01T00:00:02Z\"}\n");
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
