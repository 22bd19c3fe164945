#include "tools/dockerc/http_reply.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/try.h"

namespace dockerc {
namespace {

constexpr std::size_t head_bytes_max = 64 * 1024;
constexpr std::size_t chunk_line_bytes_max = 4096;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <class T>
bool parse_number(std::string_view text, T& value, int base = 10) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

engine::Result<void> HttpReply::feed(std::string_view bytes, const BodySink& sink) {
    while (!bytes.empty() && state_ != State::complete) {
        switch (state_) {
            case State::head: {
                const std::size_t before = line_.size();
                line_.append(bytes);
                const std::size_t end = line_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
                if (end == std::string::npos) {
                    if (line_.size() > head_bytes_max)
                        return engine::fail(engine::ErrorKind::invalid, "the head of the answer is too long");
                    return {};
                }
                bytes.remove_prefix(end + 4 - before);
                const std::string head = line_.substr(0, end);
                line_.clear();
                TRY_VOID(parse_head(head));
                break;
            }
            case State::length:
            case State::chunk_data: {
                const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
                left_ -= take;
                if (left_ == 0) state_ = state_ == State::length ? State::complete : State::chunk_end;
                TRY_VOID(sink(bytes.substr(0, take)));
                bytes.remove_prefix(take);
                break;
            }
            case State::until_close:
                return sink(bytes);
            case State::chunk_size:
            case State::chunk_end:
            case State::trailer: {
                const std::size_t end = bytes.find('\n');
                line_.append(bytes.substr(0, end));
                if (line_.size() > chunk_line_bytes_max)
                    return engine::fail(engine::ErrorKind::invalid, "a chunk line of the answer is too long");
                if (end == std::string_view::npos) return {};
                bytes.remove_prefix(end + 1);
                if (!line_.empty() && line_.back() == '\r') line_.pop_back();
                const std::string line = std::move(line_);
                line_.clear();
                TRY_VOID(parse_chunk_line(line));
                break;
            }
            case State::complete: break;
        }
    }
    return {};
}

engine::Result<void> HttpReply::end() {
    if (state_ == State::complete) return {};
    if (state_ != State::until_close)
        return engine::fail(engine::ErrorKind::unavailable, state_ == State::head ? "EOF" : "unexpected EOF");
    state_ = State::complete;
    keep_alive_ = false;
    return {};
}

std::string HttpReply::header(std::string_view name) const {
    for (std::size_t at = 0; at < head_.size();) {
        const std::size_t end = std::min(head_.find("\r\n", at), head_.size());
        const std::string_view line = std::string_view(head_).substr(at, end - at);
        at = end + 2;
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && same_word(line.substr(0, colon), name))
            return std::string(trimmed(line.substr(colon + 1)));
    }
    return {};
}

engine::Result<void> HttpReply::parse_head(std::string_view head) {
    head_ = head;
    const std::size_t first_end = std::min(head.find("\r\n"), head.size());
    const std::string_view first = head.substr(0, first_end);
    if (first.size() < 12 || !first.starts_with("HTTP/1.") || !parse_number(first.substr(9, 3), status_))
        return engine::fail(engine::ErrorKind::invalid, "malformed HTTP response \"" + std::string(first) + "\"");
    keep_alive_ = first[7] == '1';
    bool chunked = false, has_length = false;
    std::uint64_t length = 0;
    for (std::size_t at = first_end + 2; at < head.size();) {
        const std::size_t end = std::min(head.find("\r\n", at), head.size());
        const std::string_view line = head.substr(at, end - at);
        at = end + 2;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
        if (same_word(name, "content-length")) {
            if (!parse_number(value, length)) return engine::fail(engine::ErrorKind::invalid, "bad Content-Length");
            has_length = true;
        } else if (same_word(name, "transfer-encoding")) {
            chunked = same_word(value, "chunked");
        } else if (same_word(name, "connection")) {
            if (same_word(value, "close")) keep_alive_ = false;
        } else if (same_word(name, "api-version")) {
            api_version_ = value;
        } else if (same_word(name, "content-type")) {
            content_type_ = value;
        }
    }
    if (status_ == 100) {
        state_ = State::head;
    } else if (status_ == 101) {
        state_ = State::until_close;
    } else if (bodiless_ || status_ == 204 || status_ == 304) {
        state_ = State::complete;
    } else if (chunked) {
        state_ = State::chunk_size;
    } else if (has_length) {
        left_ = length;
        state_ = length == 0 ? State::complete : State::length;
    } else {
        state_ = State::until_close;
    }
    return {};
}

engine::Result<void> HttpReply::parse_chunk_line(std::string_view line) {
    if (state_ == State::chunk_end) {
        state_ = State::chunk_size;
    } else if (state_ == State::trailer) {
        if (line.empty()) state_ = State::complete;
    } else {
        if (!parse_number(trimmed(line.substr(0, line.find(';'))), left_, 16))
            return engine::fail(engine::ErrorKind::invalid, "malformed chunk size in the answer");
        state_ = left_ == 0 ? State::trailer : State::chunk_data;
    }
    return {};
}

}  // namespace dockerc
