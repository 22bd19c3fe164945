// Both log formats on any bytes: decoders end, and what they tell does not depend on the blocks they are fed with; and
// what an encoder makes of any bytes is read back whole.
#include <algorithm>
#include <string>

#include "engine/runtime/local_log_format.h"
#include "engine/runtime/log_format.h"

namespace {

using namespace engine::runtime;

std::string decode(const LogFormat& format, std::string_view file, std::size_t step, std::uint64_t* skipped) {
    const auto decoder = format.decoder();
    LogEntry entry;
    std::string out;
    while (!file.empty()) {
        const std::string copy(file.substr(0, step));
        std::string_view block = copy;
        while (decoder->next(block, entry)) {
            engine::ignore_result(entry.time_ns(), "any answer is fine");
            out.append(entry.text) += entry.newline ? '\n' : ' ';
        }
        file.remove_prefix(copy.size());
    }
    decoder->end_of_file();
    *skipped = decoder->skipped();
    return out;
}

void count_blocks(std::string_view file, std::size_t step) {
    LocalLogDecoder decoder;
    std::uint64_t taken = 0;
    std::uint64_t bytes = 0;
    const std::size_t size = file.size();
    while (!file.empty()) {
        const std::string copy(file.substr(0, step));
        std::string_view block = copy;
        while (decoder.next_block(block, bytes) > 0) taken += bytes;
        file.remove_prefix(copy.size());
    }
    CHECK(taken <= size);
}

// Lines of any bytes, written and read.
void round_trip(const LogFormat& format, std::string_view text, std::size_t step) {
    const auto encoder = format.encoder("{}");
    std::string file;
    std::string expected;
    bool ascii = true;
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(std::min(step, rest.size()))) {
        std::string line(rest.substr(0, step));
        std::replace(line.begin(), line.end(), '\n', ' ');
        for (const char c : line) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
        encoder->line(LogStream::stderr_, line, true, 1, file);
        expected += line + "\n";
    }
    encoder->end_batch(file);
    std::uint64_t skipped = 1;
    const std::string back = decode(format, file, step, &skipped);
    CHECK(skipped == 0);
    // What is not UTF-8 is replaced, as in any JSON.
    if (ascii || !format.is_lines()) CHECK(back == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::size_t step = 1 + data[0] + (std::size_t{data[1]} << 6);
    const std::string_view file(reinterpret_cast<const char*>(data) + 2, size - 2);
    for (const LogFormat* format : {&json_log_format(), &local_log_format()}) {
        std::uint64_t in_blocks = 0;
        std::uint64_t whole = 0;
        CHECK(decode(*format, file, step, &in_blocks) == decode(*format, file, file.size() + 1, &whole));
        CHECK(in_blocks == whole);
        round_trip(*format, file, step);
    }
    count_blocks(file, step);
    return 0;
}
