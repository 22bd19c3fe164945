// `dockerc container VERB`: prune here; any other verb is the command of that name (`ls` is ps).
#include <cstdio>

#include <iostream>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

const Command prune_command{"container prune", "[OPTIONS]", "Remove all stopped containers", nullptr};

int prune(Client& client, Arguments arguments) {
    const Command& command = prune_command;
    CommandLine line(command);
    bool force = false;
    std::vector<std::string> filters;
    line.app.add_flag("-f,--force", force, "Do not prompt for confirmation");
    line.list("--filter", filters, "Provide filter values (e.g. \"until=<timestamp>\")");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message(), 1);
    if (!force) {
        std::printf("WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ");
        std::fflush(stdout);
        std::string answer;
        std::getline(std::cin, answer);
        if (answer != "y" && answer != "Y") return 0;
    }
    const auto body = client.call("POST", "/containers/prune" + Query().add("filters", *json).text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    bool first = true;
    json_each(document.root(), "ContainersDeleted", [&first](JsonValue id) {
        std::string_view text;
        if (id.get(text) != simdjson::SUCCESS) return;
        std::printf("%s%.*s\n", first ? "Deleted Containers:\n" : "", static_cast<int>(text.size()), text.data());
        first = false;
    });
    std::printf("%sTotal reclaimed space: %s\n", first ? "" : "\n",
                human_size(json_number(document.root(), "SpaceReclaimed")).c_str());
    return 0;
}

}  // namespace

int container_command(const Command& command, Client& client, Arguments arguments) {
    std::string verb = arguments.empty() ? "--help" : arguments[0];
    if (!arguments.empty()) arguments.erase(arguments.begin());
    if (verb == "prune") return prune(client, std::move(arguments));
    if (verb == "ls" || verb == "list") verb = "ps";
    for (const char* apart : {"container", "images", "import", "info", "load", "rmi", "tag", "version"})
        if (verb == apart) verb = "--help";
    for (const Command& other : commands)
        if (verb == other.name) return other.run(other, client, std::move(arguments));
    std::printf("Usage:  dockerc container %s\n\n%s\n", command.usage, command.summary);
    return verb == "--help" ? 0 : 1;
}

}  // namespace dockerc
