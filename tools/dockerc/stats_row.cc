#include "tools/dockerc/stats_row.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>

#include "engine/reactor/json_writer.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

constexpr std::string_view empty_cell = "--";
constexpr std::pair<std::string_view, std::string_view> titles[] = {
    {"BlockIO", "BLOCK I/O"},     {"CPUPerc", "CPU %"}, {"Container", "CONTAINER"}, {"ID", "CONTAINER ID"},
    {"MemPerc", "MEM %"},         {"MemUsage", "MEM USAGE / LIMIT"},
    {"Name", "NAME"},             {"NetIO", "NET I/O"}, {"PIDs", "PIDS"}};

std::uint64_t count(JsonValue value, std::string_view key) {
    std::uint64_t number = 0;
    return value[key].get(number) == simdjson::SUCCESS ? number : 0;
}

std::uint64_t count(JsonValue value, std::initializer_list<std::string_view> path) {
    for (const std::string_view key : path) {
        if (key == *(path.end() - 1)) return count(value, key);
        if (!json_member(value, key, value)) break;
    }
    return 0;
}

std::string percent(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f%%", value);
    return text;
}

// Of one processor: two of them busy are 200 %.
double cpu_percent(JsonValue sample) {
    const std::uint64_t used = count(sample, {"cpu_stats", "cpu_usage", "total_usage"}),
                        used_before = count(sample, {"precpu_stats", "cpu_usage", "total_usage"}),
                        host = count(sample, {"cpu_stats", "system_cpu_usage"}),
                        host_before = count(sample, {"precpu_stats", "system_cpu_usage"});
    if (used <= used_before || host <= host_before) return 0;
    const auto processors = static_cast<double>(count(sample, {"cpu_stats", "online_cpus"}));
    return static_cast<double>(used - used_before) / static_cast<double>(host - host_before) * processors * 100;
}

// What the kernel can give back at once does not count.
std::uint64_t memory_used(JsonValue sample) {
    const std::uint64_t usage = count(sample, {"memory_stats", "usage"});
    std::uint64_t idle = count(sample, {"memory_stats", "stats", "total_inactive_file"});
    if (idle == 0) idle = count(sample, {"memory_stats", "stats", "inactive_file"});
    return idle < usage ? usage - idle : usage;
}

std::string both(const std::string& one, const std::string& other) { return one + " / " + other; }
std::string both_sizes(std::uint64_t one, std::uint64_t other) {
    return both(human_size(static_cast<std::int64_t>(one)), human_size(static_cast<std::int64_t>(other)));
}

std::string network_text(JsonValue sample) {
    std::uint64_t received = 0, sent = 0;
    simdjson::dom::object networks;
    if (sample["networks"].get(networks) == simdjson::SUCCESS) {
        for (const auto field : networks) {
            received += count(field.value, "rx_bytes");
            sent += count(field.value, "tx_bytes");
        }
    }
    return both_sizes(received, sent);
}

std::string block_text(JsonValue sample) {
    std::uint64_t read = 0, written = 0;
    JsonValue io;
    if (json_member(sample, "blkio_stats", io))
        json_each(io, "io_service_bytes_recursive", [&](JsonValue one) {
            const std::string operation = json_text(one, "op");
            if (operation == "Read" || operation == "read") read += count(one, "value");
            if (operation == "Write" || operation == "write") written += count(one, "value");
        });
    return both_sizes(read, written);
}

std::string_view title_of(std::string_view name) {
    const auto* at = std::find_if(std::begin(titles), std::end(titles), [&](const auto& t) { return t.first == name; });
    return at == std::end(titles) ? std::string_view() : at->second;
}

// "\t" and "\n" as a shell leaves them.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
        if (next == 't' || next == 'n') {
            out += next == 't' ? '\t' : '\n';
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

}  // namespace

StatsRow stats_row(JsonValue sample, const std::string& asked, bool no_trunc) {
    const bool runs = json_text(sample, "read") > "0001-01-02";   // Go's zero time otherwise
    const std::string id = json_text(sample, "id"), name = json_text(sample, "name");
    const auto cell = [runs](std::string text) { return runs ? std::move(text) : std::string(empty_cell); };
    const std::uint64_t used = memory_used(sample), limit = count(sample, {"memory_stats", "limit"});
    const double share = limit == 0 ? 0 : static_cast<double>(used) / static_cast<double>(limit) * 100;
    return {{"BlockIO", cell(block_text(sample))},
            {"CPUPerc", cell(percent(cpu_percent(sample)))},
            {"Container", asked},
            {"ID", no_trunc ? id : short_id(id)},
            {"MemPerc", cell(percent(share))},
            {"MemUsage", cell(both(binary_size(used), binary_size(limit)))},
            {"Name", name.starts_with('/') ? name.substr(1) : name},
            {"NetIO", cell(network_text(sample))},
            {"PIDs", cell(std::to_string(count(sample, {"pids_stats", "current"})))}};
}

std::string_view stats_cell(const StatsRow& row, std::string_view name) {
    const auto at = std::find_if(row.begin(), row.end(), [&](const auto& cell) { return cell.first == name; });
    return at == row.end() ? std::string_view() : std::string_view(at->second);
}

std::string stats_json_line(const StatsRow& row) {
    engine::json::Writer w;
    w.begin_object();
    for (const auto& [name, text] : row) w.field(name, text);
    return w.end_object().take();
}

engine::Result<StatsFormat> StatsFormat::parse(std::string_view text) {
    constexpr std::string_view usual =
        "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
    StatsFormat format;
    format.json_ = text == "json" || text == "{{json .}}";
    if (format.json_) return format;
    if (text.empty() || text == "table") text = usual;
    format.table_ = text.starts_with("table ");
    if (format.table_) text.remove_prefix(6);
    const std::string plain = unescaped(text);
    std::string_view rest = plain;
    while (!rest.empty()) {
        const std::size_t open = std::min(rest.find("{{"), rest.size());
        if (open > 0) format.parts_.push_back({std::string(rest.substr(0, open)), false});
        rest.remove_prefix(open);
        if (rest.empty()) break;
        const std::size_t close = rest.find("}}");
        const std::string_view name =
            close == std::string_view::npos ? std::string_view() : trimmed(rest.substr(2, close - 2));
        if (!name.starts_with('.') || title_of(name.substr(1)).empty())
            return engine::fail(engine::ErrorKind::invalid,
                                "template parsing error: columns are {{.Name}} and the like, not " + std::string(rest));
        format.parts_.push_back({std::string(name.substr(1)), true});
        rest.remove_prefix(close + 2);
    }
    return format;
}

std::vector<std::string> StatsFormat::header() const {
    StatsRow row;
    for (const auto& [name, title] : titles) row.emplace_back(name, title);
    return cells(row);
}

std::vector<std::string> StatsFormat::cells(const StatsRow& row) const {
    const std::string whole = line(row);
    std::vector<std::string> out;
    for (std::size_t begin = 0, end = 0; begin <= whole.size(); begin = end + 1) {
        end = std::min(whole.find('\t', begin), whole.size());
        out.push_back(whole.substr(begin, end - begin));
    }
    return out;
}

std::string StatsFormat::line(const StatsRow& row) const {
    std::string out;
    for (const Part& part : parts_) out += part.column ? stats_cell(row, part.text) : std::string_view(part.text);
    return out;
}

}  // namespace dockerc
