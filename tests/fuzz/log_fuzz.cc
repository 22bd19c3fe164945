// Any bytes as a json-file log, in blocks of any size; and what the encoder makes of them is read back whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/reactor/check.h"
#include "engine/reactor/result.h"
#include "engine/runtime/json_log_reader.h"
#include "engine/runtime/json_log_writer.h"

namespace {

using namespace engine::runtime;

std::string all_text(std::string_view file, std::size_t block, std::uint64_t* skipped) {
    JsonLogDecoder decoder;
    std::string out;
    while (!file.empty()) {
        const std::string_view piece = file.substr(0, block);
        file.remove_prefix(piece.size());
        decoder.feed(piece, [&](const LogEntry& entry) {
            engine::ignore_result(entry.time_ns(), "any answer is fine");
            out += entry.log;
        });
    }
    *skipped = decoder.skipped();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::size_t block = 1 + data[0];
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::uint64_t skipped = 0;
    std::uint64_t skipped_whole = 0;
    const std::string in_blocks = all_text(text, block, &skipped);
    CHECK(in_blocks == all_text(text, text.size() + 1, &skipped_whole));
    CHECK(skipped == skipped_whole);
    std::uint64_t found = 0;
    CHECK(tail_start(text, data[0], found) <= text.size());
    CHECK(found <= data[0]);

    JsonLogEncoder encoder;
    std::string file;
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(std::min(block, rest.size())))
        encoder.append(LogStream::stdout_, rest.substr(0, block), 1, file);
    encoder.finish(LogStream::stdout_, 1, file);
    const std::string back = all_text(file, block, &skipped);
    CHECK(skipped == 0);
    // What is not UTF-8 is replaced, as in any JSON.
    bool ascii = true;
    for (const char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
    if (ascii) CHECK(back == text);
    return 0;
}
