// A stream of the engine's JSON messages shown as docker shows it: on a terminal one line for each layer, rewritten
// where it stands; elsewhere one line for each change of state.
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace dockerc {

class ProgressDisplay {
public:
    explicit ProgressDisplay(std::FILE* out, bool quiet = false);
    // Any piece of the stream.
    engine::Result<void> feed(std::string_view bytes);
    // What the stream said went wrong, or "".
    const std::string& error() const { return error_; }

private:
    void show(std::string_view json);
    void show_on_line(const std::string& id, const std::string& text);

    std::FILE* out_;
    bool terminal_;
    bool quiet_;
    std::string pending_;
    std::string error_;
    std::map<std::string, std::size_t> lines_;  // id -> its line, counted from the first
    std::size_t lines_below_ = 0;               // lines shown since the first of them
};

}  // namespace dockerc
