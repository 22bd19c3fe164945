#include "engine/storage/reference.h"

#include <gtest/gtest.h>

namespace engine::storage {
namespace {

std::string full(const char* text) {
    auto parsed = parse_reference(text);
    return parsed ? with_default_tag(std::move(*parsed)).text() : "error: " + parsed.error().message();
}

TEST(Reference, NormalisesAsDockerDoes) {
    EXPECT_EQ(full("busybox"), "docker.io/library/busybox:latest");
    EXPECT_EQ(full("me/app:1.0"), "docker.io/me/app:1.0");
    EXPECT_EQ(full("localhost:5000/a/b"), "localhost:5000/a/b:latest");
    EXPECT_EQ(full("index.docker.io/busybox"), "docker.io/library/busybox:latest");
    const std::string digest = "sha256:" + std::string(64, 'a');
    EXPECT_EQ(full(("busybox@" + digest).c_str()), "docker.io/library/busybox@" + digest);
    EXPECT_EQ(parse_reference("docker.io/library/busybox:1")->familiar(), "busybox:1");
}

TEST(Reference, RefusesInDockersWords) {
    for (const char* text : {"", ":tag", "a//b", "a:", "-a", "a..b", "a___b", "a:b:c", "a@sha256:12", "/a", "a/"})
        EXPECT_EQ(full(text), "error: invalid reference format") << text;
    EXPECT_EQ(full("Busybox"), "error: invalid reference format: repository name (library/Busybox) must be lowercase");
    EXPECT_NE(full(std::string(64, 'a').c_str()).find("cannot specify 64-byte hexadecimal strings"), std::string::npos);
}

}  // namespace
}  // namespace engine::storage
