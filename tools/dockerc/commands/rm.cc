#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int rm_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool force = false, volumes = false;
    line.app.add_flag("-f,--force", force, "Force the removal of a running container (uses SIGKILL)");
    line.app.add_flag("-v,--volumes", volumes, "Remove anonymous volumes associated with the container");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    const std::string query = Query().add("force", force ? "1" : "").add("v", volumes ? "1" : "").text();
    return for_each_word(line.words, [&](const std::string& name) -> Result<void> {
        TRY(const Answer answer, client.request("DELETE", "/containers/" + url_escape(name) + query));
        if (answer.status >= 400) {
            engine::Error error = daemon_error(answer.status, answer.body);
            if (!force || answer.status != 404) return engine::fail(std::move(error));
            std::fprintf(stderr, "%s\n", error.message().c_str());
        }
        return {};
    });
}

}  // namespace dockerc
