#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/text.h"

namespace dockerc {

int commit_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::vector<std::string> changes;
    std::string author, message;
    bool pause = true;
    line.app.add_option("-a,--author", author, "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")");
    line.list("-c,--change", changes, "Apply Dockerfile instruction to the created image");
    line.app.add_option("-m,--message", message, "Commit message");
    line.app.add_flag("-p,--pause", pause, "Pause container during commit (default true)");
    if (const int code = line.parse(std::move(arguments), 1, 2); code >= 0) return code;
    Query query;
    query.add("container", line.words[0]).add("author", author).add("comment", message);
    query.add("pause", pause ? "1" : "0");
    if (line.words.size() == 2) {
        const DisplayReference target = display_reference(line.words[1]);
        query.add("repo", target.repository).add("tag", target.tag == "<none>" ? "" : target.tag);
    }
    for (const std::string& change : changes) query.add("changes", change);
    const auto body = client.call("POST", "/commit" + query.text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    std::printf("%s\n", json_text(document.root(), "Id").c_str());
    return 0;
}

}  // namespace dockerc
