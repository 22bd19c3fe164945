#include "engine/runtime/json_log_reader.h"

#include <gtest/gtest.h>

#include "engine/runtime/json_log_writer.h"

namespace engine::runtime {
namespace {

TEST(JsonLogDecoder, ReadsWhatTheEncoderWrote) {
    JsonLogEncoder encoder;
    std::string file;
    encoder.append(LogStream::stderr_, "plain\n<\"\\\t\x01 \xc3\xa9\n", 1'700'000'000'123'456'789, file);
    for (std::size_t step = 1; step < file.size(); step += 7) {
        JsonLogDecoder decoder;
        std::string text;
        for (std::size_t at = 0; at < file.size(); at += step)
            decoder.feed(std::string_view(file).substr(at, step), [&text](const LogEntry& entry) {
                EXPECT_EQ(entry.stream, LogStream::stderr_);
                EXPECT_EQ(entry.time_ns(), 1'700'000'000'123'456'789);
                text += entry.log;
            });
        EXPECT_EQ(text, "plain\n<\"\\\t\x01 \xc3\xa9\n");
        EXPECT_EQ(decoder.skipped(), 0u);
    }
}

TEST(JsonLogDecoder, SkipsBrokenLines) {
    JsonLogDecoder decoder;
    int entries = 0;
    decoder.feed("{\"log\":\"x\nnonsense\n{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01Z\"}\n",
                 [&entries](const LogEntry&) { ++entries; });
    EXPECT_EQ(entries, 1);
    EXPECT_EQ(decoder.skipped(), 2u);
}

TEST(LogTail, FindsTheLastLines) {
    std::uint64_t found = 0;
    EXPECT_EQ(tail_start("a\nb\nc\n", 1, found), 4u);
    EXPECT_EQ(tail_start("a\nb\nc\n", 2, found), 2u);
    EXPECT_EQ(tail_start("a\nb\nc\n", 9, found), 0u);
    EXPECT_EQ(found, 3u);
    EXPECT_EQ(tail_start("", 2, found), 0u);
    EXPECT_EQ(found, 0u);
}

}  // namespace
}  // namespace engine::runtime
