#include "tools/dockerc/progress.h"

#include <unistd.h>

#include "tools/dockerc/json.h"

namespace dockerc {

ProgressDisplay::ProgressDisplay(std::FILE* out, bool quiet)
    : out_(out), terminal_(::isatty(::fileno(out)) == 1), quiet_(quiet) {}

engine::Result<void> ProgressDisplay::feed(std::string_view bytes) {
    pending_.append(bytes);
    std::size_t begin = 0;
    for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1)
        show(std::string_view(pending_).substr(begin, end - begin));
    pending_.erase(0, begin);
    std::fflush(out_);
    return {};
}

void ProgressDisplay::show(std::string_view json) {
    JsonDocument document;
    if (!document.parse(json)) return;
    const JsonValue root = document.root();
    if (const std::string error = json_text(root, "error"); !error.empty()) error_ = error;
    if (quiet_) return;
    if (const std::string text = json_text(root, "stream"); !text.empty()) {
        std::fputs(text.c_str(), out_);
        lines_.clear();
        return;
    }
    const std::string status = json_text(root, "status");
    if (status.empty()) return;
    const std::string id = json_text(root, "id");
    const std::string bar = json_text(root, "progress");
    JsonValue detail;
    const bool of_layer = json_member(root, "progressDetail", detail);
    if (terminal_ && of_layer && !id.empty())
        return show_on_line(id, id + ": " + status + (bar.empty() ? "" : " " + bar));
    if (!bar.empty()) return;  // elsewhere than on a terminal a number that changes says nothing
    if (!of_layer) lines_.clear();
    std::fprintf(out_, "%s%s%s\n", id.c_str(), id.empty() ? "" : ": ", status.c_str());
}

void ProgressDisplay::show_on_line(const std::string& id, const std::string& text) {
    if (lines_.empty()) lines_below_ = 0;
    const auto known = lines_.find(id);
    if (known == lines_.end()) {
        lines_[id] = lines_below_++;
        std::fprintf(out_, "%s\n", text.c_str());
        return;
    }
    const std::size_t up = lines_below_ - known->second;
    std::fprintf(out_, "\033[%zuA\033[2K\r%s\033[%zuB\r", up, text.c_str(), up);
}

}  // namespace dockerc
