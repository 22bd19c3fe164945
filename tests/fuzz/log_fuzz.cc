// Both log formats on any bytes, in blocks of any size: decoders end, and hand out no more than they were given.
#include <algorithm>
#include <string>

#include "engine/runtime/local_log_format.h"
#include "engine/runtime/log_format.h"

namespace {

void decode(const engine::runtime::LogFormat& format, std::string_view file, std::size_t step) {
    const auto decoder = format.decoder();
    engine::runtime::LogEntry entry;
    std::size_t bytes = 0;
    while (!file.empty()) {
        const std::string copy(file.substr(0, step));
        std::string_view block = copy;
        while (decoder->next(block, entry)) {
            bytes += entry.text.size();
            CHECK(entry.time_ns() != INT64_MIN);
        }
        file.remove_prefix(copy.size());
    }
    decoder->end_of_file();
    // An escape of six characters stands for at most three bytes; text never grows.
    CHECK(bytes <= (1u << 24));
}

void count(std::string_view file, std::size_t step) {
    engine::runtime::LocalLogDecoder decoder;
    std::uint64_t taken = 0, bytes = 0;
    const std::size_t size = file.size();
    while (!file.empty()) {
        const std::string copy(file.substr(0, step));
        std::string_view block = copy;
        while (decoder.next_block(block, bytes) > 0) taken += bytes;
        file.remove_prefix(copy.size());
    }
    CHECK(taken <= size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::size_t step = 1 + data[0] + (std::size_t{data[1]} << 8);
    const std::string_view file(reinterpret_cast<const char*>(data) + 2, size - 2);
    decode(engine::runtime::json_log_format(), file, step);
    decode(engine::runtime::local_log_format(), file, step);
    count(file, step);
    return 0;
}
