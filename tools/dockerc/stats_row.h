// One sample of what a container uses, in the words that docker's stats shows.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/result.h"
#include "tools/dockerc/json.h"

namespace dockerc {

// The columns by docker's names, in the order in which it prints them as JSON: BlockIO, CPUPerc, Container, ...
using StatsRow = std::vector<std::pair<std::string_view, std::string>>;

// `asked`: what the container was called on the command line, or its id. A container that does not run is all "--".
StatsRow stats_row(JsonValue sample, const std::string& asked, bool no_trunc);
std::string_view stats_cell(const StatsRow& row, std::string_view name);
std::string stats_json_line(const StatsRow& row);

// "table {{.Name}}\t{{.CPUPerc}}" taken apart: texts and names of columns.
class StatsFormat {
public:
    static engine::Result<StatsFormat> parse(std::string_view text);
    bool table() const { return table_; }
    bool json() const { return json_; }
    std::vector<std::string> header() const;                       // of a table
    std::vector<std::string> cells(const StatsRow& row) const;     // of a table: between tabs
    std::string line(const StatsRow& row) const;

private:
    struct Part {
        std::string text;   // as it is, or the name of a column
        bool column = false;
    };
    std::vector<Part> parts_;
    bool table_ = false, json_ = false;
};

}  // namespace dockerc
