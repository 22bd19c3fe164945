// The keys that end an attachment: "ctrl-p,ctrl-q" by default.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "engine/reactor/result.h"

namespace engine::runtime {

// "a,ctrl-x" -> the bytes of the sequence; "" gives the default.
Result<std::string> parse_detach_keys(std::string_view text);

// Looks for the sequence in what a client types; a beginning of it is held back until it is decided.
class DetachMatcher {
public:
    explicit DetachMatcher(std::string keys) : keys_(std::move(keys)) {}
    // Appends to `out` what the container shall get; true once the sequence is complete (the rest is dropped).
    bool feed(std::string_view bytes, std::string& out);

private:
    std::string keys_;
    std::size_t held_ = 0;
};

}  // namespace engine::runtime
