// The parts of the client that need no engine.
#include <gtest/gtest.h>

#include "tools/dockerc/base64.h"
#include "tools/dockerc/container_options.h"
#include "tools/dockerc/demultiplexer.h"
#include "tools/dockerc/detach_keys.h"
#include "tools/dockerc/docker_config.h"
#include "tools/dockerc/image_name.h"
#include "tools/dockerc/progress.h"
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

TEST(Login, servers_are_named_as_the_configuration_file_names_them) {
    EXPECT_EQ(server_of_image("busybox"), hub_server);
    EXPECT_EQ(server_of_image("someone/busybox:1"), hub_server);
    EXPECT_EQ(server_of_image("docker.io/library/busybox"), hub_server);
    EXPECT_EQ(server_of_image("localhost/x"), "localhost");
    EXPECT_EQ(server_of_image("host:5000/a/b@sha256:0"), "host:5000");
    EXPECT_EQ(server_key("https://host:5000/v2/"), "host:5000");
    EXPECT_EQ(server_key(""), hub_server);
    const ImageName name = split_image_name("host:5000/a/b:v1@sha256:0");
    EXPECT_EQ(name.repository + " " + name.tag + " " + name.digest, "host:5000/a/b v1 sha256:0");
    EXPECT_EQ(split_image_name("host:5000/a").tag, "");
    EXPECT_EQ(qualified_name(split_image_name("busybox:1")), "docker.io/library/busybox:1");
    EXPECT_EQ(qualified_name(split_image_name("localhost/x:1")), "localhost/x:1");
    for (const char* text : {"", "a", "ab", "abc", "ann:secret"}) EXPECT_EQ(base64_decode(base64_encode(text)), text);
}

TEST(Progress, elsewhere_than_on_a_terminal_states_are_lines) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* out = open_memstream(&text, &size);
    ProgressDisplay display(out);
    const std::string stream =
        R"({"status":"Pulling from a","id":"1"})"
        "\r\n"
        R"({"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[>","id":"abc"})"
        "\r\n"
        R"({"status":"Pull complete","progressDetail":{},"id":"abc"})"
        "\r\n"
        R"({"errorDetail":{"message":"no"},"error":"no"})"
        "\r\n";
    for (char c : stream) ASSERT_TRUE(display.feed({&c, 1}));
    std::fclose(out);
    EXPECT_STREQ(text, "1: Pulling from a\nabc: Pull complete\n");
    EXPECT_EQ(display.error(), "no");
    std::free(text);
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
