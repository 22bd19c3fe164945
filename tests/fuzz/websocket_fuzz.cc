// A websocket's frames on any bytes, in pieces of any size: the reader ends, and what it tells does not depend on the
// pieces.
#include <string>
#include <vector>

#include "engine/api/websocket.h"

namespace {

using engine::api::WebSocketReader;

std::string read(std::string bytes, std::size_t step) {
    WebSocketReader reader;
    std::string told;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        std::span<char> input(bytes.data() + at, std::min(step, bytes.size() - at));
        while (true) {
            const auto done = reader.step(input);
            if (done == WebSocketReader::Step::need_input) break;
            if (done == WebSocketReader::Step::bad) return told + "bad" + std::to_string(reader.close_code());
            if (done == WebSocketReader::Step::control) {
                CHECK(reader.payload().size() <= engine::api::websocket_control_bytes_max);
                told += "control";
            }
            told += reader.payload();
        }
        CHECK(input.empty());
    }
    return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) return 0;
    const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    CHECK(read(bytes, 1 + data[0]) == read(bytes, bytes.size() + 1));
    return 0;
}
