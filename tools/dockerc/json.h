// Reading the engine's JSON: absent and null members read as empty values.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace dockerc {

using JsonValue = simdjson::dom::element;

class JsonDocument {
public:
    bool parse(std::string_view text) {
        return parser_.parse(text.data(), text.size()).get(root_) == simdjson::SUCCESS;
    }
    JsonValue root() const { return root_; }

private:
    simdjson::dom::parser parser_;
    JsonValue root_;
};

inline std::string json_text(JsonValue value, std::string_view key) {
    std::string_view text;
    if (value[key].get(text) != simdjson::SUCCESS) return {};
    return std::string(text);
}
inline std::int64_t json_number(JsonValue value, std::string_view key) {
    std::int64_t number = 0;
    if (value[key].get(number) != simdjson::SUCCESS) return 0;
    return number;
}
inline bool json_bool(JsonValue value, std::string_view key) {
    bool flag = false;
    return value[key].get(flag) == simdjson::SUCCESS && flag;
}
// A member of a member; an empty object's element when absent.
inline bool json_member(JsonValue value, std::string_view key, JsonValue& member) {
    return value[key].get(member) == simdjson::SUCCESS && !member.is_null();
}
// Calls visit(element) for each element of an array member.
template <class Visit>
void json_each(JsonValue value, std::string_view key, Visit visit) {
    simdjson::dom::array array;
    if (value[key].get(array) != simdjson::SUCCESS) return;
    for (const JsonValue element : array) visit(element);
}
template <class Visit>
void json_each(JsonValue value, Visit visit) {
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return;
    for (const JsonValue element : array) visit(element);
}

}  // namespace dockerc
