#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <time.h>

#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {

namespace {

std::string ports_text(JsonValue container) {
    std::string out;
    json_each(container, "Ports", [&out](JsonValue port) {
        if (!out.empty()) out += ", ";
        const std::string inside = std::to_string(json_number(port, "PrivatePort")) + "/" + json_text(port, "Type");
        const std::string ip = json_text(port, "IP");
        const std::int64_t outside = json_number(port, "PublicPort");
        if (outside != 0) out += (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" +
                                 std::to_string(outside) + "->";
        out += inside;
    });
    return out;
}

std::string names_text(JsonValue container) {
    std::string out;
    json_each(container, "Names", [&out](JsonValue name) {
        std::string_view text;
        if (name.get(text) != simdjson::SUCCESS || text.find('/', 1) != std::string_view::npos) return;
        if (!out.empty()) out += ',';
        out += text.substr(text.starts_with('/') ? 1 : 0);
    });
    return out;
}

}  // namespace

int ps_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, quiet = false, no_trunc = false, latest = false;
    int last = -1;
    std::string format = "table";
    std::vector<std::string> filters;
    line.app.add_flag("-a,--all", all, "Show all containers (default shows just running)");
    line.app.add_flag("-q,--quiet", quiet, "Only display container IDs");
    line.app.add_flag("--no-trunc", no_trunc, "Don't truncate output");
    line.app.add_flag("-l,--latest", latest, "Show the latest created container (includes all states)");
    line.app.add_option("-n,--last", last, "Show n last created containers (includes all states)");
    line.app.add_choice("--format", format, {"table", "json"}, "table or json");
    line.list("-f,--filter", filters, "Filter output based on conditions provided");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message());
    if (latest) last = 1;
    Query query;
    query.add("all", all ? "1" : "").add("limit", last > 0 ? std::to_string(last) : "").add("filters", *json);
    const auto body = client.call("GET", "/containers/json" + query.text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    const std::int64_t now = ::time(nullptr);
    Table table({"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"});
    json_each(document.root(), [&](JsonValue container) {
        const std::string whole = json_text(container, "Id"), id = no_trunc ? whole : short_id(whole);
        if (quiet) {
            std::printf("%s\n", id.c_str());
        } else if (format == "json") {
            const std::string one = simdjson::to_string(container);
            std::printf("%s\n", one.c_str());
        } else {
            std::string image = json_text(container, "Image");
            if (!no_trunc && image.starts_with("sha256:")) image = short_id(image);
            const std::string text = json_text(container, "Command");
            table.add({id, image, "\"" + (no_trunc ? text : ellipsis(text, 20)) + "\"",
                       human_duration(now - json_number(container, "Created")) + " ago",
                       json_text(container, "Status"), ports_text(container), names_text(container)});
        }
    });
    if (!quiet && format == "table") std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
