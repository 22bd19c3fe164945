#include "engine/runtime/json_log_reader.h"

#include <time.h>

#include <algorithm>
#include <cstring>

#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

bool digits(std::string_view text, std::size_t at, std::size_t count, int& out) {
    if (at + count > text.size()) return false;
    out = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        out = out * 10 + (text[i] - '0');
    }
    return true;
}

bool hex4(std::string_view text, std::size_t at, unsigned& out) {
    if (at + 4 > text.size()) return false;
    out = 0;
    for (const char c : text.substr(at, 4)) {
        const int v = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
        if (v < 0) return false;
        out = out * 16 + static_cast<unsigned>(v);
    }
    return true;
}

void append_utf8(std::string& out, unsigned c) {
    auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
    if (c < 0x80) return put(c);
    if (c < 0x800) return put(0xc0 | c >> 6), put(0x80 | (c & 63));
    if (c < 0x10000) return put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
}

// Takes a JSON string off the front of `in`. A string without escapes is returned in place, another in `buffer`.
bool take_string(std::string_view& in, std::string& buffer, std::string_view& out) {
    if (in.empty() || in[0] != '"') return false;
    in.remove_prefix(1);
    const std::size_t quote = in.find('"');
    if (quote == std::string_view::npos) return false;
    if (!std::memchr(in.data(), '\\', quote)) {
        out = in.substr(0, quote);
        in.remove_prefix(quote + 1);
        return true;
    }
    buffer.clear();
    while (true) {
        const std::size_t at = in.find_first_of("\"\\");
        if (at == std::string_view::npos) return false;
        buffer.append(in.substr(0, at));
        const char found = in[at];
        in.remove_prefix(at + 1);
        if (found == '"') break;
        if (in.empty()) return false;
        const char code = in[0];
        in.remove_prefix(1);
        static constexpr std::string_view kCodes = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
        if (const std::size_t i = kCodes.find(code); i != std::string_view::npos) {
            buffer += kBytes[i];
            continue;
        }
        unsigned c = 0, low = 0;
        if (code != 'u' || !hex4(in, 0, c)) return false;
        in.remove_prefix(4);
        if (c >= 0xd800 && c < 0xdc00 && in.starts_with("\\u") && hex4(in, 2, low) && low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            in.remove_prefix(6);
        } else if (c >= 0xd800 && c < 0xe000) {
            c = 0xfffd;
        }
        append_utf8(buffer, c);
    }
    out = buffer;
    return true;
}

// An object in place, strings in it respected.
bool take_object(std::string_view& in, std::string_view& out) {
    if (in.empty() || in[0] != '{') return false;
    int depth = 0;
    bool quoted = false;
    for (std::size_t at = 0; at < in.size(); ++at) {
        const char c = in[at];
        if (quoted) {
            if (c == '\\') ++at;
            if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            ++depth;
        } else if (c == '}' && --depth == 0) {
            out = in.substr(0, at + 1);
            in.remove_prefix(at + 1);
            return true;
        }
    }
    return false;
}

bool take(std::string_view& in, std::string_view word) {
    if (!in.starts_with(word)) return false;
    in.remove_prefix(word.size());
    return true;
}

}  // namespace

bool parse_rfc3339(std::string_view text, std::int64_t& ns) {
    tm parts{};
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
        return false;
    if (!digits(text, 0, 4, parts.tm_year) || !digits(text, 5, 2, parts.tm_mon) || !digits(text, 8, 2, parts.tm_mday) ||
        !digits(text, 11, 2, parts.tm_hour) || !digits(text, 14, 2, parts.tm_min) || !digits(text, 17, 2, parts.tm_sec))
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    std::int64_t fraction = 0, unit = 100'000'000;
    std::size_t at = 19;
    if (text[at] == '.')
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            fraction += (text[at] - '0') * unit;
    std::int64_t offset = 0;
    const std::string_view zone = text.substr(at);
    int hours = 0, minutes = 0;
    if (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && digits(zone, 1, 2, hours) &&
        digits(zone, 4, 2, minutes)) {
        offset = (zone[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    } else if (zone != "Z") {
        return false;
    }
    const std::int64_t seconds = timegm(&parts) - offset;
    return !__builtin_mul_overflow(seconds, std::int64_t{1'000'000'000}, &ns) &&
           !__builtin_add_overflow(ns, fraction, &ns);
}

bool JsonLogDecoder::next_line(std::string_view& block, std::string_view& line) {
    if (partial_used_) partial_.clear(), partial_used_ = false;
    while (true) {
        const std::size_t end = block.find('\n');
        const std::string_view part = block.substr(0, end);
        const bool fits = !oversized_ && partial_.size() + part.size() <= kLogRecordBytes;
        block.remove_prefix(end == std::string_view::npos ? block.size() : end + 1);
        if (end == std::string_view::npos) {
            oversized_ = !fits;
            fits ? void(partial_.append(part)) : partial_.clear();
            return false;
        }
        if (fits) {
            line = part;
            if (!partial_.empty()) line = partial_.append(part), partial_used_ = true;
            return true;
        }
        ++skipped_;
        partial_.clear();
        oversized_ = false;
    }
}

std::int64_t LogEntry::time_ns() const {
    if (known_time == 0 && !parse_rfc3339(written_time, known_time)) known_time = 0;
    return known_time;
}

// A record exactly as our encoder writes it, of a text that needs no escapes but its newline. That is nearly all there
// are: two searches of the text instead of a look at every character of the record.
bool JsonLogDecoder::next_own(std::string_view& block, LogEntry& entry) {
    constexpr std::string_view head = R"({"log":")";
    constexpr std::string_view of_stdout = R"(,"stream":"stdout","time":")";
    constexpr std::string_view of_stderr = R"(,"stream":"stderr","time":")";
    constexpr std::size_t time_bytes_max = 36;
    if (!block.starts_with(head)) return false;
    const char* text = block.data() + head.size();
    const char* end = block.data() + block.size();
    const char* quote = static_cast<const char*>(std::memchr(text, '"', static_cast<std::size_t>(end - text)));
    if (!quote || static_cast<std::size_t>(end - quote) < 1 + of_stdout.size() + time_bytes_max) return false;
    auto size = static_cast<std::size_t>(quote - text);
    const void* slash = std::memchr(text, '\\', size);
    const bool newline = slash && slash == quote - 2 && quote[-1] == 'n';
    if (slash && !newline) return false;
    const std::string_view middle(quote + 1, of_stdout.size());
    if (middle != of_stdout && middle != of_stderr) return false;
    const char* time = quote + 1 + middle.size();
    const char* time_end = static_cast<const char*>(std::memchr(time, '"', time_bytes_max - 2));
    if (!time_end || time_end[1] != '}' || time_end[2] != '\n') return false;
    entry.stream = middle == of_stderr ? LogStream::stderr_ : LogStream::stdout_;
    entry.newline = newline;
    entry.text = std::string_view(text, newline ? size - 2 : size);
    entry.attributes = {};
    entry.written_time = std::string_view(time, static_cast<std::size_t>(time_end - time));
    entry.known_time = 0;
    block.remove_prefix(static_cast<std::size_t>(time_end + 3 - block.data()));
    return true;
}

bool JsonLogDecoder::next(std::string_view& block, LogEntry& entry) {
    if (partial_.empty() && !oversized_ && next_own(block, entry)) return true;
    std::string_view line;
    while (next_line(block, line)) {
        if (parse(line, entry)) return true;
        ++skipped_;
    }
    return false;
}

void JsonLogDecoder::end_of_file() {
    if (oversized_ || (!partial_.empty() && !partial_used_)) ++skipped_;
    partial_.clear();
    partial_used_ = oversized_ = false;
}

// Any order of the names, as a JSON reader would have it; a record without "log" is an empty one.
bool JsonLogDecoder::parse(std::string_view line, LogEntry& entry) {
    std::string_view text, stream = "stdout";
    entry.attributes = entry.written_time = {};
    if (!take(line, "{")) return false;
    while (!take(line, "}")) {
        std::string_view name;
        if (!take_string(line, name_, name) || !take(line, ":")) return false;
        if (name == "attrs") {
            if (!take_object(line, entry.attributes)) return false;
        } else {
            std::string& buffer = name == "log" ? text_ : name == "stream" ? stream_ : time_;
            std::string_view& value = name == "log" ? text : name == "stream" ? stream : entry.written_time;
            if (name != "log" && name != "stream" && name != "time") return false;
            if (!take_string(line, buffer, value)) return false;
        }
        if (!take(line, ",") && !line.starts_with('}')) return false;
    }
    if (!line.empty() || !parse_rfc3339(entry.written_time, entry.known_time)) return false;
    entry.stream = stream == "stderr" ? LogStream::stderr_ : LogStream::stdout_;
    entry.newline = text.ends_with('\n');
    if (entry.newline) text.remove_suffix(1);
    entry.text = text;
    return true;
}

}  // namespace engine::runtime
