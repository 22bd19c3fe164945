#include "engine/reactor/json_writer.h"

#include <gtest/gtest.h>

namespace engine::json {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
    Writer w;
    w.begin_object().field("a", 1).field("b", "x").key("c").begin_array().number(1u).boolean(true).null().end_array();
    w.key("d").begin_object().end_object().field("e", std::vector<std::string>{"p", "q"}).end_object();
    EXPECT_EQ(w.text(), R"({"a":1,"b":"x","c":[1,true,null],"d":{},"e":["p","q"]})");
}

TEST(JsonWriter, EscapesAsGoDoes) {
    std::string out;
    append_string(out, "<a&b>\"\\\n\t\x01\xe2\x80\xa8\xc3\xa9");
    EXPECT_EQ(out, "\"\\u003ca\\u0026b\\u003e\\\"\\\\\\n\\t\\u0001\\u2028\xc3\xa9\"");
}

TEST(JsonWriter, ReplacesWhatIsNotUtf8) {
    for (std::string_view bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80"}) {
        std::string out;
        append_string(out, bad);
        EXPECT_NE(out.find("\\ufffd"), std::string::npos) << out;
    }
}

TEST(JsonWriter, ExtremesOfNumbers) {
    Writer w;
    w.begin_array().number(INT64_MIN).number(UINT64_MAX).number(0.5).end_array();
    EXPECT_EQ(w.text(), "[-9223372036854775808,18446744073709551615,0.5]");
}

}  // namespace
}  // namespace engine::json
