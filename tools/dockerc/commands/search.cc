#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/docker_config.h"
#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {

int search_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool no_trunc = false, automated = false;
    int limit = 0, stars = 0;
    std::vector<std::string> filters;
    line.list("-f,--filter", filters, "Filter output based on conditions provided");
    line.app.add_option("--limit", limit, "Max number of search results");
    line.app.add_flag("--no-trunc", no_trunc, "Don't truncate output");
    line.app.add_flag("--automated", automated, "Only show automated builds (older spelling of a filter)");
    line.app.add_option("-s,--stars", stars, "Only displays with at least x stars (older spelling of a filter)");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    if (automated) filters.push_back("is-automated=true");
    if (stars > 0) filters.push_back("stars=" + std::to_string(stars));
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message());
    const auto login = find_login(server_of_image(line.words[0]));
    if (!login) return report(login.error());
    client.set_registry_auth(registry_auth(*login));
    Query query;
    query.add("term", line.words[0]).add("limit", limit > 0 ? std::to_string(limit) : "").add("filters", *json);
    const auto body = client.call("GET", "/images/search" + query.text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    Table table({"NAME", "DESCRIPTION", "STARS", "OFFICIAL"});
    json_each(document.root(), [&](JsonValue found) {
        std::string description = json_text(found, "description");
        for (char& c : description)
            if (c == '\n' || c == '\r') c = ' ';
        table.add({json_text(found, "name"), no_trunc ? description : ellipsis(description, 45),
                   std::to_string(json_number(found, "star_count")), json_bool(found, "is_official") ? "[OK]" : ""});
    });
    std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
