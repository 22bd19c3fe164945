#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/table.h"

namespace dockerc {
namespace {

std::vector<std::string> texts(JsonValue array) {
    std::vector<std::string> out;
    json_each(array, [&out](JsonValue item) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS) out.emplace_back(text);
    });
    return out;
}

}  // namespace

// What is behind the container's name belongs to ps, options too.
int top_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20, true); code >= 0) return code;
    std::string ps;
    for (std::size_t i = 1; i < line.words.size(); ++i) ps.append(i == 1 ? "" : " ").append(line.words[i]);
    const auto body = client.call("GET", "/containers/" + url_escape(line.words[0]) + "/top" +
                                             Query().add("ps_args", ps).text());
    if (!body) return report(body.error());
    JsonDocument document;
    JsonValue titles;
    if (!document.parse(*body) || !json_member(document.root(), "Titles", titles)) return 1;
    Table table(texts(titles));
    json_each(document.root(), "Processes", [&table](JsonValue process) { table.add(texts(process)); });
    std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
