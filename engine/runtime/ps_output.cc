#include "engine/runtime/ps_output.h"

#include <algorithm>
#include <charconv>

#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == '\v'; }

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at < line.size();) {
        while (at < line.size() && is_space(line[at])) ++at;
        std::size_t end = at;
        while (end < line.size() && !is_space(line[end])) ++end;
        if (end != at) out.push_back(line.substr(at, end - at));
        at = end;
    }
    return out;
}

// What is more than the titles belongs to the last column: a command with its arguments.
std::vector<std::string> row_of(const std::vector<std::string_view>& words, std::size_t columns) {
    std::vector<std::string> row;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i < columns) {
            row.emplace_back(words[i]);
        } else {
            row.back().append(" ").append(words[i]);
        }
    }
    row.resize(columns);
    return row;
}

}  // namespace

Result<void> check_ps_arguments(std::string_view arguments) {
    for (std::size_t at = arguments.find('='); at != std::string_view::npos; at = arguments.find('=', at + 1)) {
        std::size_t begin = at;
        while (begin > 0 && !is_space(arguments[begin - 1])) --begin;
        if (begin == 0) continue;   // a word must come before it
        std::size_t value = at + 1;
        while (value < arguments.size() && is_space(arguments[value])) ++value;
        if (!arguments.substr(value).starts_with("PID")) continue;
        std::size_t end = value;
        while (end < arguments.size() && !is_space(arguments[end])) ++end;
        const std::string_view column = arguments.substr(begin, at - begin);
        if (column == "pid") continue;
        return fail(ErrorKind::internal, "specifying \"" + std::string(column) + "=" +
                                             std::string(arguments.substr(value, end - value)) + "\" is not allowed");
    }
    return {};
}

std::vector<std::string> split_ps_arguments(std::string_view arguments) {
    std::vector<std::string> out;
    while (true) {
        const std::size_t space = arguments.find(' ');
        out.emplace_back(arguments.substr(0, space));
        if (space == std::string_view::npos) return out;
        arguments.remove_prefix(space + 1);
    }
}

std::string ps_pids_argument(const std::vector<int>& pids) {
    std::string out = "-q";
    for (const int pid : pids) out.append(out.size() > 2 ? "," : "").append(std::to_string(pid));
    return out;
}

Result<ProcessTable> parse_ps_output(std::string_view output, const std::vector<int>& pids) {
    ProcessTable table;
    const std::size_t first = std::min(output.find('\n'), output.size());
    for (const std::string_view title : words_of(output.substr(0, first))) table.titles.emplace_back(title);
    const auto column = std::find(table.titles.begin(), table.titles.end(), "PID");
    if (column == table.titles.end()) return fail(ErrorKind::internal, "Couldn't find PID field in ps output");
    const auto pid_at = static_cast<std::size_t>(column - table.titles.begin());
    bool ours = false;
    for (std::size_t at = first + 1; at < output.size();) {
        const std::size_t end = std::min(output.find('\n', at), output.size());
        const auto words = words_of(output.substr(at, end - at));
        at = end + 1;
        if (words.empty()) continue;
        if (words.size() <= pid_at) return fail(ErrorKind::internal, "Unexpected line in ps output: too few fields");
        const std::string_view text = words[pid_at];
        if (text != "-") {
            int pid = 0;
            const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
            if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
                return fail(ErrorKind::internal, "Unexpected pid '" + std::string(text) +
                                                     "': strconv.Atoi: parsing \"" + std::string(text) +
                                                     "\": invalid syntax");
            ours = std::find(pids.begin(), pids.end(), pid) != pids.end();
        }
        if (ours) table.processes.push_back(row_of(words, table.titles.size()));
    }
    return table;
}

}  // namespace engine::runtime
