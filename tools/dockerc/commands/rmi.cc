#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int rmi_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool force = false, no_prune = false;
    line.app.add_flag("-f,--force", force, "Force removal of the image");
    line.app.add_flag("--no-prune", no_prune, "Do not delete untagged parents");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    const std::string query = Query().add("force", force ? "1" : "").add("noprune", no_prune ? "1" : "").text();
    int code = 0;
    for (const std::string& name : line.words) {
        const auto body = client.call("DELETE", "/images/" + url_escape(name) + query);
        if (!body) {
            code = report(body.error());
            continue;
        }
        JsonDocument document;
        if (!document.parse(*body)) continue;
        json_each(document.root(), [](JsonValue item) {
            const std::string untagged = json_text(item, "Untagged"), deleted = json_text(item, "Deleted");
            if (!untagged.empty()) std::printf("Untagged: %s\n", untagged.c_str());
            if (!deleted.empty()) std::printf("Deleted: %s\n", deleted.c_str());
        });
    }
    return code;
}

}  // namespace dockerc
