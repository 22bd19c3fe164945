#include "engine/runtime/json_log_writer.h"

#include <algorithm>
#include <cstring>

#include "engine/reactor/json_writer.h"
#include "engine/runtime/go_time.h"
#include "engine/runtime/json_log_reader.h"
#include "engine/runtime/log_tail.h"

namespace engine::runtime {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHigh = 0x8080808080808080;

// A set high bit in some byte that is below 0x20, at least 0x80, or equal to one of " \ < > &. It may also be set
// in a plain byte behind such a one, never in a word without any.
std::uint64_t needs_escape(std::uint64_t word) {
    auto zero = [](std::uint64_t v) { return (v - kOnes) & ~v; };
    return (word | (word - kOnes * 0x20) | zero(word ^ (kOnes * '"')) | zero(word ^ (kOnes * '\\')) |
            zero(word ^ (kOnes * '<')) | zero(word ^ (kOnes * '>')) | zero(word ^ (kOnes * '&'))) &
           kHigh;
}

bool plain(std::string_view text) {
    std::uint64_t word = 0, found = 0;
    std::size_t at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        std::memcpy(&word, text.data() + at, 8);
        found |= needs_escape(word);
    }
    word = kOnes * ' ';
    std::memcpy(&word, text.data() + at, text.size() - at);
    return (found | needs_escape(word)) == 0;
}

}  // namespace

void JsonLogEncoder::set_tails(std::int64_t time_ns) {
    if (tail_time_ == time_ns) return;
    tail_time_ = time_ns;
    const std::string attributes = attributes_.empty() ? std::string() : R"("attrs":)" + attributes_ + ",";
    const std::string time = attributes + R"("time":")" + rfc3339_nano(time_ns) + "\"}\n";
    tail_[0] = R"(,"stream":"stdout",)" + time;
    tail_[1] = R"(,"stream":"stderr",)" + time;
}

void JsonLogEncoder::line(LogStream stream, std::string_view text, bool newline, std::int64_t time_ns,
                          std::string& out) {
    set_tails(time_ns);
    constexpr std::string_view head = R"({"log":)";
    out += head;
    if (plain(text)) {
        out += '"';
        out += text;
        out += newline ? std::string_view("\\n\"") : std::string_view("\"");
    } else {
        json::append_string(out, text);
        if (newline) out.insert(out.size() - 1, "\\n");
    }
    out += tail_[stream == LogStream::stderr_ ? 1 : 0];
}

namespace {

class JsonLogFormat final : public LogFormat {
public:
    std::unique_ptr<LogEncoder> encoder(std::string attributes) const override {
        return std::make_unique<JsonLogEncoder>(std::move(attributes));
    }
    std::unique_ptr<LogDecoder> decoder() const override { return std::make_unique<JsonLogDecoder>(); }
    bool is_lines() const override { return true; }
    std::string file_name(std::string_view container_id) const override {
        return std::string(container_id) + "-json.log";
    }
    Result<void> cut_torn(int fd) const override { return cut_torn_record(fd); }
};

}  // namespace

const LogFormat& json_log_format() {
    static const JsonLogFormat format;
    return format;
}

}  // namespace engine::runtime
