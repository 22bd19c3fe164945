#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int rename_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 2, 2); code >= 0) return code;
    const std::string query = Query().add("name", line.words[1]).text();
    const auto done = client.call("POST", "/containers/" + url_escape(line.words[0]) + "/rename" + query);
    return done ? 0 : report(done.error());
}

}  // namespace dockerc
