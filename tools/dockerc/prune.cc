#include "tools/dockerc/prune.h"

#include <cstdio>
#include <iostream>

#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

bool confirmed(const char* what) {
    std::printf("WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ", what);
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y";
}

}  // namespace

void print_removed(JsonValue removed) {
    std::string_view text;
    if (removed.get(text) == simdjson::SUCCESS)
        std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
}

int run_prune(const Command& command, Client& client, Arguments arguments, const PruneKind& kind) {
    CommandLine line(command);
    bool all = false, force = false;
    std::vector<std::string> filters;
    if (kind.what_of_all) line.app.add_flag("-a,--all", all, "Remove all unused ones, not just dangling ones");
    line.app.add_flag("-f,--force", force, "Do not prompt for confirmation");
    line.list("--filter", filters, "Provide filter values (e.g. \"until=<timestamp>\")");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    if (kind.what_of_all) filters.push_back(all ? "dangling=false" : "dangling=true");
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message(), 1);
    if (!force && !confirmed(all ? kind.what_of_all : kind.what)) return 0;
    const auto body = client.call("POST", kind.path + Query().add("filters", *json).text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    bool any = false;
    json_each(document.root(), kind.list, [&](JsonValue removed) {
        if (!any) std::printf("%s:\n", kind.heading);
        any = true;
        kind.print(removed);
    });
    if (kind.reclaims)
        std::printf("%sTotal reclaimed space: %s\n", any ? "\n" : "",
                    human_size(json_number(document.root(), "SpaceReclaimed")).c_str());
    return 0;
}

}  // namespace dockerc
