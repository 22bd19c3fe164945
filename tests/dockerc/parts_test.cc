// The parts of the client that need no engine.
#include <gtest/gtest.h>

#include "tools/dockerc/container_options.h"
#include "tools/dockerc/demultiplexer.h"
#include "tools/dockerc/detach_keys.h"
#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

TEST(Text, sizes_are_read_and_printed_as_docker_does) {
    EXPECT_EQ(*parse_bytes("512m"), 512 << 20);
    EXPECT_EQ(*parse_bytes("1.5kb"), 1536);
    EXPECT_FALSE(parse_bytes("lots"));
    EXPECT_EQ(human_size(1234567), "1.23MB");
}

TEST(Text, references_are_split_at_the_last_component) {
    EXPECT_EQ(display_reference("host:5000/a/b:v1").repository, "host:5000/a/b");
    EXPECT_EQ(display_reference("host:5000/a/b:v1").tag, "v1");
    EXPECT_EQ(display_reference("busybox").tag, "<none>");
}

TEST(Table, columns_are_padded_by_characters) {
    Table table({"A", "B"});
    table.add({"x…", "y"});
    EXPECT_EQ(table.text(), "A    B\nx…   y\n");
}

TEST(Demultiplexer, frames_may_arrive_a_byte_at_a_time) {
    const std::string bytes("\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\1!", 19);
    Demultiplexer demultiplexer;
    std::string out, err;
    for (const char c : bytes)
        ASSERT_TRUE(demultiplexer.feed({&c, 1}, [&](int fd, std::string_view s) { (fd == 1 ? out : err) += s; }));
    EXPECT_EQ(out, "hi");
    EXPECT_EQ(err, "!");
}

TEST(DetachKeys, a_broken_sequence_reaches_the_container) {
    auto keys = DetachKeys::parse("ctrl-p,ctrl-q");
    ASSERT_TRUE(keys);
    std::string out;
    EXPECT_FALSE(keys->feed("a\x10", out));
    EXPECT_EQ(out, "a");
    EXPECT_FALSE(keys->feed("b", out));
    EXPECT_EQ(out, "a\x10" "b");
    EXPECT_TRUE(keys->feed("\x10\x11", out));
}

TEST(HttpReply, chunks_are_joined) {
    HttpReply reply;
    std::string body;
    const BodySink sink = [&body](std::string_view bytes) -> engine::Result<void> {
        body.append(bytes);
        return {};
    };
    for (const char c : std::string_view("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
        ASSERT_TRUE(reply.feed({&c, 1}, sink));
    EXPECT_TRUE(reply.complete());
    EXPECT_EQ(body, "abc");
}

TEST(CreateBody, options_reach_the_api) {
    ContainerOptions options;
    options.image = "busybox";
    options.command = {"true"};
    options.memory = "64m";
    const auto body = create_body(options);
    ASSERT_TRUE(body);
    EXPECT_NE(body->find("\"Cmd\":[\"true\"]"), std::string::npos);
    EXPECT_NE(body->find("\"Memory\":67108864"), std::string::npos);
}

}  // namespace
}  // namespace dockerc
