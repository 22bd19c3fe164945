// The key sequence that leaves an attached terminal ("ctrl-p,ctrl-q").
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace dockerc {

class DetachKeys {
public:
    static engine::Result<DetachKeys> parse(std::string_view text) {
        DetachKeys keys;
        while (!text.empty()) {
            const std::string_view key = text.substr(0, text.find(','));
            text.remove_prefix(std::min(key.size() + 1, text.size()));
            if (key.size() == 1) {
                keys.sequence_ += key[0];
            } else if (key.size() == 6 && key.starts_with("ctrl-") &&
                       ((key[5] >= 'a' && key[5] <= 'z') || (key[5] >= '@' && key[5] <= '_'))) {
                keys.sequence_ += static_cast<char>(key[5] & 0x1f);
            } else {
                return engine::fail(engine::ErrorKind::invalid, "invalid detach keys: Unknown character: '" +
                                                                    std::string(key) + "'");
            }
        }
        return keys;
    }

    // Appends to `out` what goes to the container; true when the sequence is complete. A half-typed sequence is held.
    bool feed(std::string_view input, std::string& out) {
        for (const char c : input) {
            if (!sequence_.empty() && c == sequence_[matched_]) {
                if (++matched_ == sequence_.size()) return true;
                continue;
            }
            out.append(sequence_, 0, matched_);
            matched_ = 0;
            if (!sequence_.empty() && c == sequence_[0]) {
                matched_ = 1;
                if (sequence_.size() == 1) return true;
                continue;
            }
            out += c;
        }
        return false;
    }

private:
    std::string sequence_;
    std::size_t matched_ = 0;
};

}  // namespace dockerc
