// The `local` driver's files: blocks of lines that share a time, each with its length and checksum.
//
//   u32 magic  u32 body bytes  u32 CRC-32C of all that follows  i64 time  u32 lines  u32 bytes of attributes
//   body: attributes (a JSON object or nothing), then for each line a varint (length << 2 | newline << 1 | stderr)
//   and its bytes
//
// Little-endian. Bytes are kept as they are; a broken block is passed over to the next magic.
#pragma once

#include <string>
#include <string_view>

#include "engine/runtime/log_format.h"

namespace engine::runtime {

class LocalLogEncoder final : public LogEncoder {
public:
    explicit LocalLogEncoder(std::string attributes = {}) : attributes_(std::move(attributes)) {}
    void line(LogStream stream, std::string_view text, bool newline, std::int64_t time_ns, std::string& out) override;
    void end_batch(std::string& out) override;

private:
    std::string attributes_;
    std::size_t block_at_ = 0;       // in the string being written
    std::int64_t block_time_ = 0;
    std::uint32_t lines_ = 0;        // of the open block; 0: none is open
};

class LocalLogDecoder final : public LogDecoder {
public:
    bool next(std::string_view& block, LogEntry& entry) override;
    void end_of_file() override;
    // Instead of next(): the next whole block's lines, unread, and how many bytes of the file it and what was broken
    // in front of it take. 0: no more.
    std::uint32_t next_block(std::string_view& block, std::uint64_t& bytes);

private:
    bool open_block(std::string_view& block);
    bool take_line(LogEntry& entry);
    bool take_body(std::string_view whole);

    std::string partial_;        // the beginning of a block whose end has not come, or the block being read
    std::string_view lines_;     // of the open block, not yet taken
    std::string_view attributes_;
    std::int64_t time_ = 0;
    std::uint32_t count_ = 0;
    std::uint64_t consumed_ = 0;  // bytes of finished and broken blocks
    std::size_t open_bytes_ = 0;  // of partial_, when the open block is in it
    bool lost_ = false;          // looking for the next magic
};

}  // namespace engine::runtime
