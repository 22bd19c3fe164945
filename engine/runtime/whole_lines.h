// What a log that may drop keeps of one stream when it is behind: whole lines. A line whose beginning was kept is kept
// to its end, one whose beginning was dropped is dropped to its end. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace engine::runtime {

class WholeLines {
public:
    struct Kept {
        std::size_t from = 0, bytes = 0;   // of what was read; the rest is dropped
    };
    // `data` was read and there is room for it. `behind`: little room is left, so nothing is begun that might not fit.
    Kept keep(std::string_view data, bool behind);
    // `data` was read and there was no room at all.
    void drop(std::string_view data);

private:
    bool inside_ = false;     // the last byte kept was not the end of its line
    bool skipping_ = false;   // until the next end of a line
};

}  // namespace engine::runtime
