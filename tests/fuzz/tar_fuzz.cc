// The tar parser on any bytes: it ends, stays in bounds and hands out no more than it was given.
#include <algorithm>
#include <cstring>

#include "engine/storage/tar_reader.h"

namespace {

class Bytes : public engine::storage::BlockingSource {
public:
    Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
    engine::Result<size_t> read(std::span<char> into) override {
        const size_t size = std::min(into.size(), left_);
        if (size > 0) std::memcpy(into.data(), data_, size);
        data_ += size;
        left_ -= size;
        return size;
    }

private:
    const uint8_t* data_;
    size_t left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Bytes source(data, size);
    engine::storage::TarReader tar(source);
    engine::storage::TarEntry entry;
    uint64_t total = 0;
    while (true) {
        const auto more = tar.next(entry);
        if (!more || !*more) break;
        while (true) {
            const auto part = tar.chunk();
            if (!part || part->empty()) break;
            total += part->size();
        }
    }
    CHECK(total <= size);
    return 0;
}
