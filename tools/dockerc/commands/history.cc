#include <time.h>

#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/table.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

constexpr std::size_t created_by_width = 45;

std::string spaced(std::string text) {  // one line of a table
    for (char& c : text)
        if (c == '\t' || c == '\n') c = ' ';
    return text;
}

}  // namespace

int history_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool quiet = false, no_trunc = false;
    bool human = true;
    line.app.add_flag("-q,--quiet", quiet, "Only show image IDs");
    line.app.add_flag("--no-trunc", no_trunc, "Don't truncate output");
    line.app.add_flag("-H,--human", human, "Print sizes and dates in human readable format (default true)");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    const auto body = client.call("GET", "/images/" + url_escape(line.words[0]) + "/history");
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    const std::int64_t now = ::time(nullptr);
    Table table({"IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"});
    json_each(document.root(), [&](JsonValue item) {
        const std::string whole = json_text(item, "Id");
        const std::string id = no_trunc || whole == "<missing>" ? whole : short_id(whole);
        if (quiet) {
            std::printf("%s\n", id.c_str());
            return;
        }
        const std::int64_t created = json_number(item, "Created");
        const std::int64_t size = json_number(item, "Size");
        char date[40] = "";
        const time_t at = created;
        tm parts{};
        ::gmtime_r(&at, &parts);
        ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts);
        const std::string by = spaced(json_text(item, "CreatedBy"));
        table.add({id, human ? human_duration(now - created) + " ago" : date,
                   no_trunc ? by : ellipsis(by, created_by_width),
                   human ? human_size(size) : std::to_string(size), json_text(item, "Comment")});
    });
    if (!quiet) std::fputs(table.text().c_str(), stdout);
    return 0;
}

}  // namespace dockerc
