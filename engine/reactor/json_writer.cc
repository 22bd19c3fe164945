#include "engine/reactor/json_writer.h"

#include <charconv>
#include <cmath>

namespace engine::json {
namespace {

constexpr char hex[] = "0123456789abcdef";

// Length of the UTF-8 sequence at the start of `text`, 0 when it is not one.
std::size_t sequence_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length < 2) return length;
    if (text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((at(i) & 0xc0) != 0x80) return 0;
    if (first == 0xe0 && at(1) < 0xa0) return 0;   // overlong
    if (first == 0xed && at(1) > 0x9f) return 0;   // surrogates
    if (first == 0xf0 && at(1) < 0x90) return 0;   // overlong
    if (first == 0xf4 && at(1) > 0x8f) return 0;   // above U+10FFFF
    return length;
}

void append_escape(std::string& out, unsigned char c) {
    out += '\\';
    switch (c) {
        case '"': out += '"'; return;
        case '\\': out += '\\'; return;
        case '\n': out += 'n'; return;
        case '\r': out += 'r'; return;
        case '\t': out += 't'; return;
        default: break;
    }
    out += "u00";
    out += hex[c >> 4];
    out += hex[c & 15];
}

bool plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t start = 0;
    std::size_t i = 0;
    const auto flush = [&] { out.append(text, start, i - start); };
    while (i < text.size()) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (plain(c)) {
            ++i;
            continue;
        }
        if (c < 0x80) {
            flush();
            append_escape(out, c);
            start = ++i;
            continue;
        }
        const std::size_t length = sequence_length(text.substr(i));
        const bool separator =
            length == 3 && c == 0xe2 && text[i + 1] == '\x80' && (text[i + 2] == '\xa8' || text[i + 2] == '\xa9');
        if (length != 0 && !separator) {
            i += length;
            continue;
        }
        flush();
        if (separator) {
            out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 3;
        } else {
            out += "\\ufffd";
            ++i;
        }
        start = i;
    }
    flush();
    out += '"';
}

void Writer::separate() {
    if (comma_) out_ += ',';
    comma_ = true;
}

Writer& Writer::open(char bracket) {
    separate();
    out_ += bracket;
    comma_ = false;
    return *this;
}

Writer& Writer::close(char bracket) {
    out_ += bracket;
    comma_ = true;
    return *this;
}

Writer& Writer::key(std::string_view name) {
    separate();
    append_string(out_, name);
    out_ += ':';
    comma_ = false;
    return *this;
}

Writer& Writer::string(std::string_view value) {
    separate();
    append_string(out_, value);
    return *this;
}

Writer& Writer::signed_number(std::int64_t value) {
    separate();
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
    return *this;
}

Writer& Writer::unsigned_number(std::uint64_t value) {
    separate();
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
    return *this;
}

Writer& Writer::number(double value) {
    if (!std::isfinite(value)) return null();
    separate();
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
    return *this;
}

Writer& Writer::boolean(bool value) { return raw(value ? "true" : "false"); }
Writer& Writer::null() { return raw("null"); }

Writer& Writer::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

Writer& Writer::value(const std::vector<std::string>& v) {
    begin_array();
    for (const std::string& item : v) string(item);
    return end_array();
}

Writer& Writer::value(const std::map<std::string, std::string>& v) {
    begin_object();
    for (const auto& [name, item] : v) field(name, item);
    return end_object();
}

}  // namespace engine::json
