#include "tools/dockerc/json_indent.h"

namespace dockerc {

std::string indented_json(std::string_view json, std::size_t level) {
    std::string out(level * 4, ' ');
    bool in_string = false, escaped = false, just_opened = false;
    const auto new_line = [&out, &level] { out.append("\n").append(level * 4, ' '); };
    for (const char c : json) {
        if (in_string) {
            out += c;
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
        if (c == '}' || c == ']') {
            --level;
            if (!just_opened) new_line();
            just_opened = false;
            out += c;
            continue;
        }
        if (just_opened) new_line();
        just_opened = false;
        out += c;
        if (c == '{' || c == '[') {
            ++level;
            just_opened = true;
        } else if (c == ',') {
            new_line();
        } else if (c == ':') {
            out += ' ';
        } else if (c == '"') {
            in_string = true;
        }
    }
    return out;
}

}  // namespace dockerc
