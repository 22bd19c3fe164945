// What every command shares: the client, how a command line is parsed, how failures are told.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/dockerc/client.h"
#include "tools/dockerc/json.h"
#include "tools/dockerc/option_parser.h"

namespace dockerc {

constexpr int exit_usage = 125;

using Arguments = std::vector<std::string>;

struct Command {
    const char* name;
    const char* usage;    // behind "dockerc NAME "
    const char* summary;
    int (*run)(const Command& command, Client& client, Arguments arguments);
};
extern const std::vector<Command> commands;

// A command line as docker's: options first (or between), `positionals_min..max` words left. With `stop_at_first`
// everything from the first word on is left alone. Returns -1 to go on, else the exit code.
struct CommandLine {
    explicit CommandLine(const Command& command);
    int parse(Arguments arguments, std::size_t positionals_min, std::size_t positionals_max,
              bool stop_at_first = false);
    // An option that takes one value each time it is given.
    void list(const std::string& names, std::vector<std::string>& values, const std::string& help) {
        app.add_list(names, values, help);
    }

    const Command& command;
    OptionParser app;
    std::vector<std::string> words;
};

// Prints the error on stderr; 1.
int report(const engine::Error& error);
// "dockerc: <message>" and the hint docker's run and create give.
int report_usage(const Command& command, std::string_view message, int code = exit_usage);

// `dockerc GROUP VERB ...`: the verbs are named "GROUP VERB".
int run_group(const Command& group, std::span<const Command> verbs, Client& client, Arguments arguments);

// Does `act` for each word, prints the word on success and the error on failure, goes on; 1 if any failed.
int for_each_word(const std::vector<std::string>& words,
                  const std::function<Result<void>(const std::string&)>& act);

// "a=b&c=d" with values escaped; empty values are left out.
class Query {
public:
    Query& add(std::string_view key, std::string_view value);
    std::string text() const { return text_; }

private:
    std::string text_;
};

// Filters "key=value" as the API's JSON {"key":{"value":true}}.
Result<std::string> filters_json(const std::vector<std::string>& filters);

}  // namespace dockerc
