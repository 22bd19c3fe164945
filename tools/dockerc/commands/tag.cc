#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/text.h"

namespace dockerc {

int tag_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 2, 2); code >= 0) return code;
    const DisplayReference target = display_reference(line.words[1]);
    Query query;
    query.add("repo", target.repository).add("tag", target.tag == "<none>" ? "latest" : target.tag);
    const auto done = client.call("POST", "/images/" + url_escape(line.words[0]) + "/tag" + query.text());
    return done ? 0 : report(done.error());
}

}  // namespace dockerc
