#include "engine/runtime/whole_lines.h"

namespace engine::runtime {

WholeLines::Kept WholeLines::keep(std::string_view data, bool behind) {
    Kept kept;
    if (skipping_) {
        const std::size_t end = data.find('\n');
        if (end == std::string_view::npos) return kept;
        skipping_ = false;
        // A line that found no room for its end (longer than all the room there was) gets this one: it stays a line.
        kept.from = inside_ ? end : end + 1;
        data.remove_prefix(kept.from);
    }
    kept.bytes = data.size();
    const std::size_t last = data.rfind('\n');
    if (behind && last != std::string_view::npos) {
        kept.bytes = last + 1;
    } else if (behind && !inside_) {
        kept.bytes = 0;
    }
    if (kept.bytes < data.size()) skipping_ = true;
    if (kept.bytes > 0) inside_ = data[kept.bytes - 1] != '\n';
    return kept;
}

void WholeLines::drop(std::string_view data) {
    if (!data.empty()) skipping_ = inside_ || data.back() != '\n';
}

}  // namespace engine::runtime
