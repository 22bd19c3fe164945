#include "engine/runtime/spec_json.h"

#include <gtest/gtest.h>

#include "engine/runtime/spec_check.h"

namespace engine::runtime {
namespace {

TEST(SpecJson, MergesAndComesBack) {
    auto spec = parse_create_body(
        R"({"Image":"busybox","Cmd":"true","Env":["A=1"],"Odd":[1],)"
        R"("HostConfig":{"Memory":8388608,"Binds":["/a:/b:ro"]}})");
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(spec->cmd, std::vector<std::string>{"true"});
    ASSERT_TRUE(
        merge_image_config(*spec, R"({"Cmd":["sh"],"Env":["A=0","PATH=/bin"],"Entrypoint":["e"],"Labels":{"k":"v"}})"));
    EXPECT_EQ(spec->env, (std::vector<std::string>{"A=1", "PATH=/bin"}));
    auto again = parse_spec(spec_text(*spec));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->cmd, spec->cmd);
    EXPECT_EQ(again->entrypoint, std::vector<std::string>{"e"});
    EXPECT_EQ(again->labels.at("k"), "v");
    EXPECT_EQ(again->memory, 8388608);
    EXPECT_EQ(spec_text(*again), spec_text(*spec));
    EXPECT_NE(complete_config(*spec, "abc").find(R"("Hostname":"abc")"), std::string::npos);
    EXPECT_NE(complete_host_config(*spec).find(R"("ShmSize":67108864)"), std::string::npos);
}

TEST(SpecJson, NamesOfFieldsInAnyCase) {
    auto spec = parse_create_body(R"({"image":"busybox","TTY":true,"hostconfig":{"memory":8388608}})");
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_TRUE(spec->tty);
    EXPECT_EQ(spec->memory, 8388608);
    EXPECT_EQ(spec->config_json, R"({"Image":"busybox","Tty":true})");
    EXPECT_EQ(spec->host_config_json, R"({"Memory":8388608})");
}

TEST(SpecJson, WrongTypesAreNamed) {
    auto spec = parse_create_body(R"({"HostConfig":{"Memory":"1g"}})");
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().message(), "invalid JSON: json: cannot unmarshal string into Go struct field "
                                      "CreateRequest.HostConfig.Memory of type int64");
    EXPECT_FALSE(parse_create_body("{"));
    EXPECT_FALSE(parse_create_body(""));
    EXPECT_FALSE(parse_create_body("[]"));
}

TEST(RamSize, WhatNoIntegerHoldsIsNoSize) {
    EXPECT_EQ(parse_ram_size("0"), 0);
    EXPECT_EQ(parse_ram_size("1.5k"), 1536);
    EXPECT_EQ(parse_ram_size("2GiB"), std::int64_t{2} << 30);
    for (const char* text : {"70888886708888862626", "9e18", "1e300g", "inf", "nan", "-1", "1x", "kb"})
        EXPECT_EQ(parse_ram_size(text), -1) << text;
}

}  // namespace
}  // namespace engine::runtime
