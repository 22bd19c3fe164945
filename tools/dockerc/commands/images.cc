#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <time.h>

#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {

int images_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, quiet = false, no_trunc = false;
    std::vector<std::string> filters;
    line.app.add_flag("-a,--all", all, "Show all images (default hides intermediate images)");
    line.app.add_flag("-q,--quiet", quiet, "Only show image IDs");
    line.app.add_flag("--no-trunc", no_trunc, "Don't truncate output");
    line.list("-f,--filter", filters, "Filter output based on conditions provided");
    if (const int code = line.parse(std::move(arguments), 0, 1); code >= 0) return code;
    if (!line.words.empty()) filters.push_back("reference=" + line.words.front());
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message());
    const auto body =
        client.call("GET", "/images/json" + Query().add("all", all ? "1" : "").add("filters", *json).text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    const std::int64_t now = ::time(nullptr);
    Table table({"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"});
    json_each(document.root(), [&](JsonValue image) {
        const std::string whole = json_text(image, "Id"), id = no_trunc ? whole : short_id(whole);
        std::vector<DisplayReference> references;
        json_each(image, "RepoTags", [&references](JsonValue tag) {
            std::string_view text;
            if (tag.get(text) == simdjson::SUCCESS) references.push_back(display_reference(text));
        });
        if (references.empty()) references.push_back({"<none>", "<none>"});
        for (const DisplayReference& reference : references) {
            if (quiet)
                std::printf("%s\n", id.c_str());
            else
                table.add({reference.repository, reference.tag, id,
                           human_duration(now - json_number(image, "Created")) + " ago",
                           human_size(json_number(image, "Size"))});
        }
    });
    if (!quiet) std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
