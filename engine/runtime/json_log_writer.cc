#include "engine/runtime/json_log_writer.h"

#include <algorithm>
#include <cstring>

#include "engine/reactor/json_writer.h"
#include "engine/runtime/go_time.h"
#include "engine/runtime/limits.h"

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

void line(std::string_view text, bool newline, std::string_view tail, std::string& out) {
    constexpr std::string_view kHead = R"({"log":)";
    out += kHead;
    if (plain(text)) {
        out += '"';
        out += text;
        out += '"';
    } else {
        json::append_string(out, text);
    }
    if (newline) out.insert(out.size() - 1, "\\n");
    out += tail;
}

}  // namespace

void JsonLogEncoder::set_tails(std::int64_t now_ns) {
    if (tail_time_ == now_ns) return;
    tail_time_ = now_ns;
    const std::string time = rfc3339_nano(now_ns);
    tail_[0] = R"(,"stream":"stdout","time":")" + time + "\"}\n";
    tail_[1] = R"(,"stream":"stderr","time":")" + time + "\"}\n";
}

void JsonLogEncoder::append(LogStream stream, std::string_view bytes, std::int64_t now_ns, std::string& out) {
    set_tails(now_ns);
    const std::size_t index = stream == LogStream::stderr_ ? 1 : 0;
    std::string& partial = partial_[index];
    while (!bytes.empty()) {
        const std::size_t room = kLogLineBytes - partial.size();
        const std::size_t reach = std::min(room, bytes.size());
        const void* found = std::memchr(bytes.data(), '\n', reach);
        if (!found && reach < room) {
            partial.append(bytes);
            return;
        }
        const std::size_t size =
            found ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data()) : reach;
        std::string_view text = bytes.substr(0, size);
        if (!partial.empty()) text = partial.append(text);
        line(text, found != nullptr, tail_[index], out);
        partial.clear();
        bytes.remove_prefix(size + (found ? 1 : 0));
    }
}

void JsonLogEncoder::finish(LogStream stream, std::int64_t now_ns, std::string& out) {
    const std::size_t index = stream == LogStream::stderr_ ? 1 : 0;
    if (partial_[index].empty()) return;
    set_tails(now_ns);
    line(partial_[index], false, tail_[index], out);
    partial_[index].clear();
}

}  // namespace engine::runtime
