#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/docker_config.h"

namespace dockerc {

int logout_command(const Command& command, Client&, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 0, 1); code >= 0) return code;
    const std::string server = server_key(line.words.empty() ? "" : line.words[0]);
    const auto erased = erase_login(server);
    if (!erased) return report(erased.error());
    std::printf(*erased ? "Removing login credentials for %s\n" : "Not logged in to %s\n", server.c_str());
    return 0;
}

}  // namespace dockerc
