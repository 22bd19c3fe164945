#include "tools/dockerc/command.h"

#include <cstdio>
#include <map>

#include "engine/reactor/json_writer.h"

namespace dockerc {

CommandLine::CommandLine(const Command& command_)
    : command(command_), app(std::string("dockerc ") + command_.name, command_.summary) {}

int CommandLine::parse(Arguments arguments, std::size_t positionals_min, std::size_t positionals_max,
                       bool stop_at_first) {
    auto parsed = app.parse(std::move(arguments), stop_at_first);
    if (parsed.outcome == OptionParser::Outcome::help) {
        std::printf("Usage:  dockerc %s %s\n\n%s", command.name, command.usage, parsed.text.c_str());
        return 0;
    }
    if (parsed.outcome == OptionParser::Outcome::failed) return report_usage(command, parsed.text);
    words = std::move(parsed.words);
    bool options_ended = false;
    std::vector<std::string> kept;
    for (std::string& word : words) {
        if (!options_ended && word == "--") {
            options_ended = true;
            continue;
        }
        if (!options_ended && word.size() > 1 && word[0] == '-')
            return report_usage(command, (word[1] == '-' ? "unknown flag: " : "unknown shorthand flag: ") + word);
        if (stop_at_first) options_ended = true;
        kept.push_back(std::move(word));
    }
    words = std::move(kept);
    if (words.size() >= positionals_min && words.size() <= positionals_max) return -1;
    const bool few = words.size() < positionals_min;
    const std::size_t bound = few ? positionals_min : positionals_max;
    const char* how = positionals_min == positionals_max ? "requires" : few ? "requires at least" : "requires at most";
    if (positionals_max == 0)
        std::fprintf(stderr, "dockerc: 'dockerc %s' accepts no arguments\n", command.name);
    else
        std::fprintf(stderr, "dockerc: 'dockerc %s' %s %zu argument%s\n", command.name, how, bound,
                     bound == 1 ? "" : "s");
    std::fprintf(stderr, "\nUsage:  dockerc %s %s\n\nRun 'dockerc %s --help' for more information\n", command.name,
                 command.usage, command.name);
    return 1;
}

int report(const engine::Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
}

int report_usage(const Command& command, std::string_view message, int code) {
    std::fprintf(stderr, "dockerc: %.*s\n\nRun 'dockerc %s --help' for more information\n",
                 static_cast<int>(message.size()), message.data(), command.name);
    return code;
}

int run_group(const Command& group, std::span<const Command> verbs, Client& client, Arguments arguments) {
    const std::string verb = arguments.empty() ? "--help" : arguments.front();
    const std::size_t before = std::string_view(group.name).size() + 1;
    for (const Command& each : verbs) {
        if (verb != std::string_view(each.name).substr(before)) continue;
        arguments.erase(arguments.begin());
        return each.run(each, client, std::move(arguments));
    }
    if (verb != "--help" && verb != "-h")
        return report_usage(group, "unknown command: dockerc " + std::string(group.name) + " " + verb, 1);
    std::printf("Usage:  dockerc %s COMMAND\n\n%s\n\nCommands:\n", group.name, group.summary);
    for (const Command& each : verbs) std::printf("  %-10s %s\n", each.name + before, each.summary);
    return 0;
}

int for_each_word(const std::vector<std::string>& words,
                  const std::function<Result<void>(const std::string&)>& act) {
    int code = 0;
    for (const std::string& word : words) {
        if (auto done = act(word); done) {
            std::printf("%s\n", word.c_str());
        } else {
            std::fflush(stdout);
            code = report(done.error());
        }
    }
    return code;
}

Query& Query::add(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    text_.append(text_.empty() ? "?" : "&").append(key).append("=").append(url_escape(value));
    return *this;
}

Result<std::string> filters_json(const std::vector<std::string>& filters) {
    std::map<std::string, std::vector<std::string>> grouped;
    for (const std::string& filter : filters) {
        const std::size_t equal = filter.find('=');
        if (equal == std::string::npos)
            return engine::fail(engine::ErrorKind::invalid,
                                "invalid argument \"" + filter + "\" for \"-f, --filter\" flag: invalid filter");
        grouped[filter.substr(0, equal)].push_back(filter.substr(equal + 1));
    }
    if (grouped.empty()) return std::string();
    engine::json::Writer json;
    json.begin_object();
    for (const auto& [key, values] : grouped) {
        json.key(key).begin_object();
        for (const std::string& value : values) json.field(value, true);
        json.end_object();
    }
    json.end_object();
    return json.take();
}

}  // namespace dockerc
