#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <fcntl.h>

#include "tools/dockerc/text.h"

namespace dockerc {

int import_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::vector<std::string> changes;
    std::string message, platform;
    line.list("-c,--change", changes, "Apply Dockerfile instruction to the created image");
    line.app.add_option("-m,--message", message, "Set commit message for imported image");
    line.app.add_option("--platform", platform, "Set platform if server is multi-platform capable");
    if (const int code = line.parse(std::move(arguments), 1, 2, true); code >= 0) return code;
    const std::string& source = line.words.front();
    UniqueFd file;
    if (source != "-") {
        file.reset(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) {
            std::fprintf(stderr, "open %s: %s\n", source.c_str(),
                         errno == ENOENT ? "no such file or directory" : std::strerror(errno));
            return 1;
        }
    }
    Query query;
    query.add("fromSrc", "-").add("message", message).add("platform", platform);
    if (line.words.size() == 2) {
        const DisplayReference target = display_reference(line.words[1]);
        query.add("repo", target.repository).add("tag", target.tag == "<none>" ? "" : target.tag);
    }
    for (const std::string& change : changes) query.add("changes", change);
    std::string text;
    const BodySink sink = [&text](std::string_view bytes) -> Result<void> {
        text.append(bytes);
        return {};
    };
    const auto done = client.upload("/images/create" + query.text(), file ? file.get() : STDIN_FILENO, sink);
    if (!done) return report(done.error());
    JsonDocument document;
    if (!document.parse(text)) return 1;
    if (const std::string error = json_text(document.root(), "error"); !error.empty()) {
        std::fprintf(stderr, "%s\n", error.c_str());
        return 1;
    }
    std::printf("%s\n", json_text(document.root(), "status").c_str());
    return 0;
}

}  // namespace dockerc
