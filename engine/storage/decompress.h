// gzip (ISA-L) and zstd streams undone; what is neither passes unchanged. Sniffed from the first bytes. Blocking.
#pragma once

#include <memory>

#include "engine/storage/tar_reader.h"

namespace engine::storage {

enum class Compression : unsigned char { none, gzip, zstd, bzip2, xz };
Compression sniff_compression(std::string_view first_bytes);

// The first bytes, read already to see what they are, then the rest of a borrowed source.
class PrefixedSource : public BlockingSource {
public:
    PrefixedSource(BlockingSource& rest, std::string prefix) : rest_(rest), prefix_(std::move(prefix)) {}
    Result<size_t> read(std::span<char> into) override;
    uint64_t received() const override { return rest_.received(); }

private:
    BlockingSource& rest_;
    std::string prefix_;
    size_t at_ = 0;
};

// `source` is borrowed and outlives the result. Output passes limits::decompression_ratio_max only with an error.
Result<std::unique_ptr<BlockingSource>> decompressing(BlockingSource& source);

// A borrowed descriptor; EINTR is retried.
class FdSource : public BlockingSource {
public:
    explicit FdSource(int fd) : fd_(fd) {}
    Result<size_t> read(std::span<char> into) override;
    uint64_t received() const override { return received_; }

private:
    int fd_;
    uint64_t received_ = 0;
};

}  // namespace engine::storage
