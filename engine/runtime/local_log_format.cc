#include "engine/runtime/local_log_format.h"

#include <isa-l.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

constexpr std::uint32_t magic = 0x474f4c44;  // "DLOG"
constexpr std::size_t header_bytes = 28;
constexpr std::size_t checked_from = 12;  // what stands in front is checked by being what it is
constexpr std::size_t body_bytes_wanted = 64 * 1024;

template <class T>
void put(std::string& out, std::size_t at, T value) {
    std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T>
T get(std::string_view in, std::size_t at) {
    T value;
    std::memcpy(&value, in.data() + at, sizeof value);
    return value;
}

std::uint32_t checksum(const char* data, std::size_t size) {
    return crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(data)), static_cast<int>(size), ~0U);
}

void put_varint(std::string& out, std::size_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

bool take_varint(std::string_view& in, std::size_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 35 && !in.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(in[0]);
        in.remove_prefix(1);
        value |= static_cast<std::size_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

std::string_view magic_text() {
    static constexpr std::uint32_t value = magic;
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

void LocalLogEncoder::line(LogStream stream, std::string_view text, bool newline, std::int64_t time_ns,
                           std::string& out) {
    const bool full = lines_ > 0 && out.size() - block_at_ > body_bytes_wanted;
    if (lines_ > 0 && (full || time_ns != block_time_)) end_batch(out);
    if (lines_ == 0) {
        block_at_ = out.size();
        block_time_ = time_ns;
        out.append(header_bytes, '\0');
        out += attributes_;
    }
    ++lines_;
    put_varint(out, text.size() << 2 | (newline ? 2U : 0U) | (stream == LogStream::stderr_ ? 1U : 0U));
    out += text;
}

void LocalLogEncoder::end_batch(std::string& out) {
    if (lines_ == 0) return;
    const std::size_t size = out.size() - block_at_;
    put(out, block_at_, magic);
    put(out, block_at_ + 4, static_cast<std::uint32_t>(size - header_bytes));
    put(out, block_at_ + 12, block_time_);
    put(out, block_at_ + 20, lines_);
    put(out, block_at_ + 24, static_cast<std::uint32_t>(attributes_.size()));
    put(out, block_at_ + 8, checksum(out.data() + block_at_ + checked_from, size - checked_from));
    lines_ = 0;
}

// A whole block, header and body, whose magic and length have been looked at.
bool LocalLogDecoder::take_body(std::string_view whole) {
    if (checksum(whole.data() + checked_from, whole.size() - checked_from) != get<std::uint32_t>(whole, 8))
        return false;
    time_ = get<std::int64_t>(whole, 12);
    count_ = get<std::uint32_t>(whole, 20);
    const auto attributes = get<std::uint32_t>(whole, 24);
    lines_ = whole.substr(header_bytes);
    if (attributes > lines_.size()) return false;
    attributes_ = lines_.substr(0, attributes);
    lines_.remove_prefix(attributes);
    return true;
}

// Makes the next whole block the open one. What is left of `block` when there is none is kept in partial_.
bool LocalLogDecoder::open_block(std::string_view& block) {
    if (open_bytes_ > 0) partial_.erase(0, std::exchange(open_bytes_, 0));
    while (true) {
        const bool joined = !partial_.empty();
        if (joined) {
            // As much as the block that began in partial_ needs, or its header to know how much that is.
            const std::size_t need =
                partial_.size() < header_bytes ? header_bytes : header_bytes + get<std::uint32_t>(partial_, 4);
            const std::size_t more = std::min(block.size(), need - std::min(need, partial_.size()));
            partial_.append(block.substr(0, more));
            block.remove_prefix(more);
        }
        std::string_view data = joined ? std::string_view(partial_) : block;
        // At least one byte has been looked at in vain when we are lost.
        const std::size_t at = data.find(magic_text());
        const std::size_t skip =
            at == std::string_view::npos ? data.size() - std::min<std::size_t>(data.size(), 3) : at;
        if (skip > 0) {
            if (!lost_) ++skipped_;
            lost_ = true;
            consumed_ += skip;
            joined ? void(partial_.erase(0, skip)) : block.remove_prefix(skip);
            if (joined && partial_.empty()) continue;
            if (at != std::string_view::npos) continue;
            data = joined ? std::string_view(partial_) : block;
        }
        const bool headed = at != std::string_view::npos && data.size() >= header_bytes;
        const std::size_t size = headed ? header_bytes + get<std::uint32_t>(data, 4) : 0;
        const bool absurd = headed && size > kLogRecordBytes;
        if (!absurd && (!headed || data.size() < size)) {
            if (block.empty()) return false;
            if (joined) continue;
            partial_.assign(block);
            block = {};
            return false;
        }
        if (!absurd && take_body(data.substr(0, size))) {
            consumed_ += size;
            lost_ = false;
            open_bytes_ = joined ? size : 0;
            if (!joined) block.remove_prefix(size);
            return true;
        }
        // Not a block after all: look for the next one behind its first byte.
        if (!lost_) ++skipped_;
        lost_ = true;
        ++consumed_;
        if (joined) {
            partial_.erase(0, 1);
        } else {
            block.remove_prefix(1);
        }
    }
}

bool LocalLogDecoder::take_line(LogEntry& entry) {
    std::size_t head = 0;
    if (lines_.empty()) return false;
    if (!take_varint(lines_, head) || head >> 2 > lines_.size()) {
        lines_ = {};
        ++skipped_;
        return false;
    }
    entry.stream = (head & 1) != 0 ? LogStream::stderr_ : LogStream::stdout_;
    entry.newline = (head & 2) != 0;
    entry.text = lines_.substr(0, head >> 2);
    entry.attributes = attributes_;
    entry.written_time = {};
    entry.known_time = time_;
    lines_.remove_prefix(head >> 2);
    return true;
}

bool LocalLogDecoder::next(std::string_view& block, LogEntry& entry) {
    while (!take_line(entry))
        if (!open_block(block)) return false;
    return true;
}

std::uint32_t LocalLogDecoder::next_block(std::string_view& block, std::uint64_t& bytes) {
    const std::uint64_t before = consumed_;
    if (!open_block(block)) return 0;
    lines_ = {};
    bytes = consumed_ - before;
    return count_;
}

void LocalLogDecoder::end_of_file() {
    if (partial_.size() > open_bytes_ && !lost_) ++skipped_;
    partial_.clear();
    lines_ = {};
    open_bytes_ = 0;
    lost_ = false;
}

namespace {

class LocalLogFormat final : public LogFormat {
public:
    std::unique_ptr<LogEncoder> encoder(std::string attributes) const override {
        return std::make_unique<LocalLogEncoder>(std::move(attributes));
    }
    std::unique_ptr<LogDecoder> decoder() const override { return std::make_unique<LocalLogDecoder>(); }
    bool is_lines() const override { return false; }
    std::string file_name(std::string_view) const override { return "local-logs/container.log"; }
    // A reader finds the next block by itself.
    Result<void> cut_torn(int) const override { return {}; }
};

}  // namespace

const LogFormat& local_log_format() {
    static const LocalLogFormat format;
    return format;
}

const LogFormat* log_format(LogDriverKind kind) {
    if (kind == LogDriverKind::none) return nullptr;
    return kind == LogDriverKind::local ? &local_log_format() : &json_log_format();
}

}  // namespace engine::runtime
