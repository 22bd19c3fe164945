// RFC 6455, section by section.
#include "engine/api/websocket.h"

#include <gtest/gtest.h>

namespace engine::api {
namespace {

Request handshake() {
    Request request;
    request.headers = {{"connection", "keep-alive, Upgrade"},
                       {"upgrade", "WebSocket"},
                       {"sec-websocket-version", "13"},
                       {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    return request;
}

TEST(WebSocket, AnswersTheHandshakeOfTheStandard) {
    const auto head = websocket_accept(handshake());
    ASSERT_TRUE(head);
    EXPECT_TRUE(head->starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    EXPECT_NE(head->find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
    EXPECT_TRUE(head->ends_with("\r\n\r\n"));
}

TEST(WebSocket, RefusesWhatIsNoHandshake) {
    for (std::size_t i = 0; i < handshake().headers.size(); ++i) {
        Request request = handshake();
        request.headers[i].second = "nonsense";
        EXPECT_EQ(websocket_accept(request).error().kind(), ErrorKind::invalid) << i;
    }
}

TEST(WebSocket, LengthsHaveThreeForms) {
    EXPECT_EQ(websocket_head(WebSocketOp::binary, 125), std::string("\x82\x7d", 2));
    EXPECT_EQ(websocket_head(WebSocketOp::text, 126), std::string("\x81\x7e\x00\x7e", 4));
    EXPECT_EQ(websocket_head(WebSocketOp::text, 65536), std::string("\x81\x7f\0\0\0\0\0\1\0\0", 10));
    EXPECT_EQ(websocket_close(1000, "bye"), std::string("\x88\x05\x03\xe8"
                                                        "bye"));
}

std::string frame(unsigned char first, std::string_view payload, bool masked = true) {
    std::string out(1, static_cast<char>(first));
    const auto mark = static_cast<char>(masked ? 0x80 : 0);
    if (payload.size() < 126) {
        out += static_cast<char>(mark | static_cast<char>(payload.size()));
    } else {
        out += static_cast<char>(mark | 126);
        out += static_cast<char>(payload.size() >> 8);
        out += static_cast<char>(payload.size());
    }
    const char mask[4] = {1, 2, 3, 4};
    if (masked) out.append(mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ (masked ? mask[i % 4] : 0));
    return out;
}

// What a reader tells of `bytes` that come in pieces of `step`.
std::string read(std::string bytes, std::size_t step) {
    WebSocketReader reader;
    std::string told;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        std::span<char> input(bytes.data() + at, std::min(step, bytes.size() - at));
        while (true) {
            const auto done = reader.step(input);
            if (done == WebSocketReader::Step::need_input) break;
            if (done == WebSocketReader::Step::bad) return told + "!" + std::to_string(reader.close_code());
            if (done == WebSocketReader::Step::control)
                told += "<" + std::to_string(static_cast<int>(reader.op())) + ":";
            told += reader.payload();
            if (done == WebSocketReader::Step::control) told += ">";
        }
    }
    return told;
}

void expect(const std::string& bytes, const std::string& told) {
    for (std::size_t step = 1; step <= bytes.size(); ++step) ASSERT_EQ(read(bytes, step), told) << step;
}

TEST(WebSocket, DataIsUnmasked) {
    expect(frame(0x81, "hello") + frame(0x82, std::string(300, 'x')) + frame(0x81, ""),
           "hello" + std::string(300, 'x'));
}

TEST(WebSocket, FragmentsAreOneMessageWithControlFramesBetween) {
    expect(frame(0x01, "a") + frame(0x89, "ping") + frame(0x00, "b") + frame(0x80, "c") + frame(0x88, "\x03\xe8"),
           "a<9:ping>bc<8:\x03\xe8>");
    expect(frame(0x8a, ""), "<10:>");
}

TEST(WebSocket, BrokenFramesAreNamed) {
    expect(frame(0x81, "plain", false), "!1002");
    expect(frame(0xc1, "x"), "!1002");                      // a reserved bit
    expect(frame(0x83, "x"), "!1002");                      // an opcode that is none
    expect(frame(0x80, "x"), "!1002");                      // a continuation of nothing
    expect(frame(0x01, "x") + frame(0x81, "y"), "x!1002");  // a message within a message
    expect(frame(0x09, "x"), "!1002");                      // a fragmented ping
    expect(frame(0x89, std::string(126, 'x')), "!1002");    // a long one
    expect(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14), "!1009");
}

}  // namespace
}  // namespace engine::api
