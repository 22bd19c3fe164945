// The options of log drivers: what they mean, and dockerd's words for what is wrong with them.
#include "engine/runtime/log_options.h"

#include <gtest/gtest.h>

namespace engine::runtime {
namespace {

std::string refusal(const std::string& type, std::map<std::string, std::string> options) {
    const auto settings = log_settings({type, std::move(options)});
    return settings ? "" : settings.error().message();
}

TEST(LogOptions, DefaultsAreDockerds) {
    const auto json = log_settings({});
    ASSERT_TRUE(json);
    EXPECT_EQ(json->file_bytes_max, 0);
    EXPECT_EQ(json->files_max, 1);
    EXPECT_FALSE(json->compress);
    const auto local = log_settings({"local", {}});
    ASSERT_TRUE(local);
    EXPECT_EQ(local->file_bytes_max, 20'000'000);
    EXPECT_EQ(local->files_max, 5);
    EXPECT_TRUE(local->compress);
}

TEST(LogOptions, SizesCountInThousands) {
    EXPECT_EQ(log_settings({"json-file", {{"max-size", "10k"}}})->file_bytes_max, 10'000);
    EXPECT_EQ(log_settings({"json-file", {{"max-size", "1.5MB"}}})->file_bytes_max, 1'500'000);
    EXPECT_EQ(log_settings({"local", {{"max-size", "1 GiB"}}})->file_bytes_max, 1'000'000'000);
}

TEST(LogOptions, Refusals) {
    EXPECT_EQ(refusal("syslog", {}), "logger: no log driver named 'syslog' is registered");
    EXPECT_EQ(refusal("json-file", {{"nope", "1"}}), "unknown log opt 'nope' for json-file log driver");
    EXPECT_EQ(refusal("local", {{"nope", "1"}}), "unknown log opt 'nope' for log driver local");
    EXPECT_EQ(refusal("json-file", {{"max-size", "ten"}}), "invalid size: 'ten'");
    EXPECT_EQ(refusal("json-file", {{"max-size", "-1"}}), "max-size must be a positive number");
    EXPECT_EQ(refusal("json-file", {{"max-size", "0"}}), "max-size must be a positive number");
    EXPECT_EQ(refusal("json-file", {{"max-file", "0"}}), "max-file cannot be less than 1");
    EXPECT_EQ(refusal("json-file", {{"max-file", "x"}}), "strconv.Atoi: parsing \"x\": invalid syntax");
    EXPECT_EQ(refusal("json-file", {{"compress", "true"}}),
              "compress cannot be true when max-file is less than 2 or max-size is not set");
    EXPECT_EQ(refusal("json-file", {{"compress", "maybe"}}), "strconv.ParseBool: parsing \"maybe\": invalid syntax");
    EXPECT_EQ(refusal("local", {{"max-file", "1"}}), "compression cannot be enabled when max file count is 1");
    EXPECT_EQ(refusal("local", {{"max-file", "-1"}}), "max-file must not be negative");
    EXPECT_EQ(refusal("json-file", {{"mode", "sometimes"}}), "logger: logging mode not supported: sometimes");
    EXPECT_EQ(refusal("json-file", {{"max-buffer-size", "1m"}}),
              "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    EXPECT_EQ(refusal("json-file", {{"mode", "non-blocking"}, {"max-buffer-size", "x"}}),
              "error parsing option max-buffer-size: invalid size: 'x'");
    EXPECT_EQ(refusal("none", {{"anything", "goes"}}), "");
}

TEST(LogOptions, TheEnginesOwnFillWhatIsOpen) {
    const LogConfig defaults{"local", {{"max-size", "1m"}, {"max-file", "3"}}};
    LogConfig open;
    open.options = {{"max-file", "2"}};
    add_log_defaults(open, defaults);
    EXPECT_EQ(open.type, "local");
    EXPECT_EQ(open.options, (std::map<std::string, std::string>{{"max-size", "1m"}, {"max-file", "2"}}));
    LogConfig other{"json-file", {}};
    add_log_defaults(other, defaults);
    EXPECT_TRUE(other.options.empty());
}

ContainerSpec labelled() {
    ContainerSpec spec;
    spec.image = "busybox:1";
    spec.labels = {{"tier", "web"}, {"team", "x"}, {"other", "y"}};
    spec.env = {"A=1", "AB=2", "C=3"};
    return spec;
}

const LogIdentity who{"0123456789abcdef", "name", "sha256:fedcba9876543210"};

TEST(LogAttributes, NamesAndPatterns) {
    ContainerSpec spec = labelled();
    spec.log.options = {{"labels", "tier,missing"}, {"labels-regex", "^te"}, {"env", "C"}, {"env-regex", "^A"}};
    EXPECT_EQ(*log_attributes(spec, who), R"({"A":"1","AB":"2","C":"3","team":"x","tier":"web"})");
    spec.log.options = {{"labels", "missing"}};
    EXPECT_EQ(*log_attributes(spec, who), "");
    spec.log.options = {{"env-regex", "("}};
    EXPECT_FALSE(log_attributes(spec, who));
}

TEST(LogAttributes, Tag) {
    ContainerSpec spec = labelled();
    spec.log.options = {{"tag", "{{.ImageName}}/{{ .Name }}/{{.ID}}/{{.ImageID}}"}};
    EXPECT_EQ(*log_attributes(spec, who), R"({"tag":"busybox:1/name/0123456789ab/fedcba987654"})");
    for (const char* wrong : {"{{.Nothing}}", "{{.ID", "{{if}}"}) {
        spec.log.options["tag"] = wrong;
        EXPECT_FALSE(log_attributes(spec, who)) << wrong;
    }
}

}  // namespace
}  // namespace engine::runtime
