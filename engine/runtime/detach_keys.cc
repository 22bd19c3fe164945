#include "engine/runtime/detach_keys.h"

#include <algorithm>

namespace engine::runtime {

Result<std::string> parse_detach_keys(std::string_view text) {
    if (text.empty()) return std::string("\x10\x11");
    std::string keys;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view key = text.substr(0, comma);
        constexpr std::string_view kCtrl = "ctrl-";
        if (key.size() == 1) {
            keys += key[0];
        } else if (key.size() == kCtrl.size() + 1 && key.starts_with(kCtrl)) {
            const char c = key.back();
            if (c >= 'a' && c <= 'z') {
                keys += static_cast<char>(c - 'a' + 1);
            } else if (c == '@') {
                keys += '\0';
            } else if (c >= '[' && c <= '_') {
                keys += static_cast<char>(c - '[' + 27);
            } else {
                return fail(ErrorKind::invalid, std::string("Unknown character: '").append(key).append("'"));
            }
        } else {
            return fail(ErrorKind::invalid, std::string("Unknown character: '").append(key).append("'"));
        }
        if (comma == std::string_view::npos) return keys;
        text.remove_prefix(comma + 1);
    }
}

bool DetachMatcher::feed(std::string_view bytes, std::string& out) {
    for (const char c : bytes) {
        if (keys_.empty()) {
            out += c;
            continue;
        }
        // The longest beginning of the sequence that the held bytes and this one end with stays held.
        std::string seen = keys_.substr(0, held_) + c;
        std::size_t keep = std::min(seen.size(), keys_.size());
        while (keep > 0 && seen.compare(seen.size() - keep, keep, keys_, 0, keep) != 0) --keep;
        out.append(seen, 0, seen.size() - keep);
        held_ = keep;
        if (held_ == keys_.size()) {
            held_ = 0;
            return true;
        }
    }
    return false;
}

}  // namespace engine::runtime
