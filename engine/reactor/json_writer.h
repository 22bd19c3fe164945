// Writes JSON text into one string. Escapes as Go's encoding/json does (clients compare bytes): <, >, & and U+2028/9 as
// \u escapes, bytes that are not UTF-8 as U+FFFD.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace engine::json {

// Appends `text` quoted.
void append_string(std::string& out, std::string_view text);

class Writer {
public:
    Writer& begin_object() { return open('{'); }
    Writer& end_object() { return close('}'); }
    Writer& begin_array() { return open('['); }
    Writer& end_array() { return close(']'); }
    Writer& key(std::string_view name);
    Writer& string(std::string_view value);
    template <std::integral T>
    Writer& number(T value) {
        if constexpr (std::is_unsigned_v<T>) {
            return unsigned_number(value);
        } else {
            return signed_number(value);
        }
    }
    Writer& number(double value);
    Writer& boolean(bool value);
    Writer& null();
    Writer& raw(std::string_view json);  // a whole value that is JSON already

    Writer& value(std::string_view v) { return string(v); }
    Writer& value(const std::string& v) { return string(v); }
    Writer& value(const char* v) { return string(v); }
    Writer& value(bool v) { return boolean(v); }
    Writer& value(double v) { return number(v); }
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Writer& value(T v) {
        return number(v);
    }
    Writer& value(const std::vector<std::string>& v);
    Writer& value(const std::map<std::string, std::string>& v);

    template <class T>
    Writer& field(std::string_view name, const T& v) {
        key(name);
        return value(v);
    }
    Writer& field_raw(std::string_view name, std::string_view json) {
        key(name);
        return raw(json);
    }
    Writer& field_null(std::string_view name) {
        key(name);
        return null();
    }

    const std::string& text() const { return out_; }
    std::string take() { return std::move(out_); }

private:
    Writer& open(char bracket);
    Writer& close(char bracket);
    Writer& signed_number(std::int64_t value);
    Writer& unsigned_number(std::uint64_t value);
    void separate();

    std::string out_;
    bool comma_ = false;  // true exactly when a value has ended at this level and the next needs a comma
};

}  // namespace engine::json
