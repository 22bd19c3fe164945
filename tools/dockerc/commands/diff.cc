#include <cstdio>

#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int diff_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    const auto body = client.call("GET", "/containers/" + url_escape(line.words[0]) + "/changes");
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    json_each(document.root(), [](JsonValue change) {
        const auto kind = json_number(change, "Kind");
        std::printf("%c %s\n", kind == 0 ? 'C' : kind == 1 ? 'A' : 'D', json_text(change, "Path").c_str());
    });
    return 0;
}

}  // namespace dockerc
