#include "engine/api/go_pattern.h"

#include <charconv>
#include <optional>

namespace engine::api {
namespace {

constexpr std::size_t pattern_bytes_max = 512;
constexpr std::size_t repeats_max = 1000;   // Go's bound for one repeat; here of all, one inside the other

// What POSIX spells otherwise; none where Go would refuse.
std::optional<std::string> translated(std::string_view pattern) {
    std::string out;
    std::size_t repeats = 1;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size()) {
            const char next = pattern[++i];
            if (next >= '0' && next <= '9') return std::nullopt;   // no references back
            if (next == 'd' || next == 'D') {
                out += next == 'd' ? "[0-9]" : "[^0-9]";
            } else if (next == 'A' || next == 'z') {
                out += next == 'A' ? '^' : '$';
            } else {
                out.append(1, '\\').append(1, next);
            }
            continue;
        }
        if (pattern.substr(i).starts_with("(?:")) {
            out += '(';
            i += 2;
            continue;
        }
        if (c == '{') {
            const std::size_t comma = pattern.find_first_of(",}", i);
            const std::size_t end = pattern.find('}', i);
            const std::size_t from = comma < end && comma + 1 < end ? comma + 1 : i + 1;
            std::size_t count = 0;
            const auto parsed = std::from_chars(pattern.data() + from, pattern.data() + pattern.size(), count);
            if (parsed.ec == std::errc{}) repeats *= std::max<std::size_t>(count, 1);
            if (repeats > repeats_max || count > repeats_max) return std::nullopt;
        }
        out += c;
    }
    return out;
}

}  // namespace

GoPattern::GoPattern(std::string text) : text_(std::move(text)) {
    if (text_.size() > pattern_bytes_max || text_.find('\0') != std::string::npos) return;
    std::string_view pattern = text_;
    int flags = REG_EXTENDED | REG_NOSUB;
    if (pattern.starts_with("(?i)")) {
        flags |= REG_ICASE;
        pattern.remove_prefix(4);
    }
    const auto posix = translated(pattern);
    if (!posix) return;
    auto compiled = std::make_unique<regex_t>();
    if (regcomp(compiled.get(), posix->c_str(), flags) == 0) compiled_.reset(compiled.release());
}

bool GoPattern::matches(const std::string& text) const {
    return text == text_ || (compiled_ && regexec(compiled_.get(), text.c_str(), 0, nullptr, 0) == 0);
}

}  // namespace engine::api
