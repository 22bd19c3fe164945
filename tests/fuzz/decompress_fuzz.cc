// gzip and zstd streams, packed in each other: output is bounded by the named ratio, and ends.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "engine/storage/decompress.h"
#include "engine/storage/limits.h"

namespace {

class Bytes : public engine::storage::BlockingSource {
public:
    Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    engine::Result<size_t> read(std::span<char> into) override {
        const size_t part = std::min({into.size(), size_ - at_, size_t{37}});
        std::memcpy(into.data(), data_ + at_, part);
        at_ += part;
        return part;
    }
    uint64_t received() const override { return at_; }

private:
    const uint8_t* data_;
    size_t size_;
    size_t at_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace limits = engine::storage::limits;
    Bytes bytes(data, size);
    const auto outer = engine::storage::decompressing(bytes);
    if (!outer) return 0;
    const auto inner = engine::storage::decompressing(**outer);
    if (!inner) return 0;
    static char buffer[64 << 10];
    uint64_t made = 0;
    while (true) {
        const auto got = (*inner)->read(buffer);
        if (!got || *got == 0) return 0;
        made += *got;
        if (made > limits::decompressed_bytes_free + limits::decompression_ratio_max * (size + 1) + sizeof buffer)
            std::abort();
        if (made > 16 << 20) return 0;  // long enough for one input
    }
}
