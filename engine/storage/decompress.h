// gzip (ISA-L) and zstd streams undone; what is neither passes unchanged. Sniffed from the first bytes. Blocking.
#pragma once

#include <memory>

#include "engine/storage/tar_reader.h"

namespace engine::storage {

enum class Compression : unsigned char { none, gzip, zstd };
Compression sniff_compression(std::string_view first_bytes);

// `source` is borrowed and outlives the result. Output is not bounded: the consumer decides how much it takes.
Result<std::unique_ptr<BlockingSource>> decompressing(BlockingSource& source);

// A borrowed descriptor; EINTR is retried.
class FdSource : public BlockingSource {
public:
    explicit FdSource(int fd) : fd_(fd) {}
    Result<size_t> read(std::span<char> into) override;

private:
    int fd_;
};

}  // namespace engine::storage
