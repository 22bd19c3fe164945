#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <time.h>

#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {

int images_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, quiet = false, no_trunc = false, digests = false;
    std::vector<std::string> filters;
    line.app.add_flag("-a,--all", all, "Show all images (default hides intermediate images)");
    line.app.add_flag("--digests", digests, "Show digests");
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
    std::vector<std::string> header = {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"};
    if (digests) header.insert(header.begin() + 2, "DIGEST");
    Table table(std::move(header));
    json_each(document.root(), [&](JsonValue image) {
        const std::string whole = json_text(image, "Id"), id = no_trunc ? whole : short_id(whole);
        std::vector<DisplayReference> references;
        json_each(image, "RepoTags", [&references](JsonValue tag) {
            std::string_view text;
            if (tag.get(text) == simdjson::SUCCESS) references.push_back(display_reference(text));
        });
        std::vector<std::pair<std::string, std::string>> of_repository;  // repository, digest
        json_each(image, "RepoDigests", [&of_repository](JsonValue item) {
            std::string_view text;
            if (item.get(text) != simdjson::SUCCESS) return;
            const std::size_t at = text.find('@');
            if (at != std::string_view::npos) of_repository.emplace_back(text.substr(0, at), text.substr(at + 1));
        });
        if (references.empty())
            for (const auto& [repository, digest] : of_repository) references.push_back({repository, "<none>"});
        if (references.empty()) references.push_back({"<none>", "<none>"});
        for (const DisplayReference& reference : references) {
            if (quiet) {
                std::printf("%s\n", id.c_str());
                continue;
            }
            std::vector<std::string> row = {reference.repository, reference.tag, id,
                                            human_duration(now - json_number(image, "Created")) + " ago",
                                            human_size(json_number(image, "Size"))};
            std::string digest = "<none>";
            for (const auto& [repository, known] : of_repository)
                if (repository == reference.repository) digest = known;
            if (digests) row.insert(row.begin() + 2, digest);
            table.add(std::move(row));
        }
    });
    if (!quiet) std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
