// Both formats: what the encoder wrote comes back, from blocks of any size, and damage costs what is damaged.
#include "engine/runtime/log_format.h"

#include <gtest/gtest.h>

#include "engine/runtime/local_log_format.h"

namespace engine::runtime {
namespace {

struct Line {
    LogStream stream;
    std::string text;
    bool newline;
    std::int64_t time;
    bool operator==(const Line&) const = default;
};

std::vector<Line> read(const LogFormat& format, std::string_view file, std::size_t step,
                       std::uint64_t* skipped = nullptr, std::string* attributes = nullptr) {
    const auto decoder = format.decoder();
    std::vector<Line> lines;
    LogEntry entry;
    for (std::size_t at = 0; at < file.size(); at += step) {
        const std::string copy(file.substr(at, step));  // a block of its own: views into others would show
        std::string_view block = copy;
        while (decoder->next(block, entry)) {
            lines.push_back({entry.stream, std::string(entry.text), entry.newline, entry.time_ns()});
            if (attributes) *attributes = entry.attributes;
        }
    }
    decoder->end_of_file();
    if (skipped) *skipped = decoder->skipped();
    return lines;
}

std::string write(const LogFormat& format, const std::vector<Line>& lines, const std::string& attributes = {}) {
    const auto encoder = format.encoder(attributes);
    std::string out;
    for (const Line& line : lines) encoder->line(line.stream, line.text, line.newline, line.time, out);
    encoder->end_batch(out);
    return out;
}

const std::vector<Line>& samples() {
    static const std::vector<Line> lines = {
        {LogStream::stdout_, "plain", true, 1'700'000'000'123'456'789},
        {LogStream::stderr_, "<\"\\\t\x01 \xc3\xa9", true, 1'700'000'000'123'456'789},
        {LogStream::stdout_, "", true, 1'700'000'000'123'456'790},
        {LogStream::stdout_, std::string(16 * 1024, 'x'), false, 1'700'000'001'000'000'000},
        {LogStream::stdout_, "no end", false, 1'700'000'002'000'000'000},
    };
    return lines;
}

class EachFormat : public testing::TestWithParam<const LogFormat*> {};

TEST_P(EachFormat, GivesBackWhatWasWritten) {
    for (const char* attributes : {"", R"({"a":"}\"{","b":""})"}) {
        const std::string file = write(*GetParam(), samples(), attributes);
        for (std::size_t step = 1; step < file.size(); step = step * 2 + 3) {
            std::uint64_t skipped = 1;
            std::string seen;
            EXPECT_EQ(read(*GetParam(), file, step, &skipped, &seen), samples()) << step;
            EXPECT_EQ(skipped, 0u);
            EXPECT_EQ(seen, attributes);
        }
    }
}

TEST_P(EachFormat, ACutFileIsReadAsFarAsItGoes) {
    const std::string file = write(*GetParam(), samples());
    for (std::size_t size = 0; size < file.size(); size += 97) {
        const auto lines = read(*GetParam(), std::string_view(file).substr(0, size), 1000);
        ASSERT_LE(lines.size(), samples().size());
        EXPECT_TRUE(std::equal(lines.begin(), lines.end(), samples().begin())) << size;
    }
}

TEST_P(EachFormat, DamageIsPassedOverAndCounted) {
    std::vector<Line> many;
    for (int i = 0; i < 200; ++i)
        many.push_back({LogStream::stdout_, "line " + std::to_string(i), true, 1'700'000'000 + i});
    std::string file = write(*GetParam(), many);
    for (std::size_t i = file.size() / 2; i < file.size() / 2 + 20; ++i) file[i] = '#';
    for (const std::size_t step : {std::size_t{7}, std::size_t{100}, file.size()}) {
        std::uint64_t skipped = 0;
        const auto lines = read(*GetParam(), file, step, &skipped);
        EXPECT_GE(lines.size(), many.size() - 4);
        EXPECT_LT(lines.size(), many.size());
        EXPECT_GE(skipped, 1u);
        EXPECT_EQ(lines.back(), many.back());
    }
}

INSTANTIATE_TEST_SUITE_P(Log, EachFormat, testing::Values(&json_log_format(), &local_log_format()),
                         [](const auto& each) { return each.index == 0 ? "json" : "local"; });

TEST(LocalLog, KeepsBytesThatAreNotUtf8) {
    const std::vector<Line> lines = {{LogStream::stdout_, "\xff\xfe\x00", true, 5}};
    EXPECT_EQ(read(local_log_format(), write(local_log_format(), lines), 100), lines);
}

TEST(LocalLog, BlocksAreCountedWithoutTheirLines) {
    std::vector<Line> many;
    for (int i = 0; i < 10; ++i) many.push_back({LogStream::stdout_, "x", true, i / 5 + 1});
    const std::string file = write(local_log_format(), many);
    LocalLogDecoder decoder;
    std::string_view block = file;
    std::uint64_t first = 0, second = 0;
    EXPECT_EQ(decoder.next_block(block, first), 5u);
    EXPECT_EQ(decoder.next_block(block, second), 5u);
    EXPECT_EQ(first + second, file.size());
    EXPECT_EQ(decoder.next_block(block, first), 0u);
}

TEST(JsonLog, ReadsWhatOthersWrote) {
    const std::string file =
        "{\"time\":\"1970-01-01T00:00:01+00:00\",\"attrs\":{\"k\":\"v\"},\"stream\":\"stderr\",\"log\":\"a\\u0041\\n\"}"
        "\n"
        "nonsense\n"
        "{\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:02Z\"}\n";
    std::uint64_t skipped = 0;
    const std::vector<Line> expected = {{LogStream::stderr_, "aA", true, 1'000'000'000},
                                        {LogStream::stdout_, "", false, 2'000'000'000}};
    EXPECT_EQ(read(json_log_format(), file, 1000, &skipped), expected);
    EXPECT_EQ(skipped, 1u);
}

}  // namespace
}  // namespace engine::runtime
