#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int restart_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string seconds, signal;
    line.app.add_option("-t,--timeout,--time", seconds, "Seconds to wait before killing the container");
    line.app.add_option("-s,--signal", signal, "Signal to send to the container");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    const std::string query = Query().add("t", seconds).add("signal", signal).text();
    return for_each_word(line.words, [&](const std::string& name) -> Result<void> {
        TRY(const std::string body, client.call("POST", "/containers/" + url_escape(name) + "/restart" + query));
        return {};
    });
}

}  // namespace dockerc
