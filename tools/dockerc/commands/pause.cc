#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int pause_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    return for_each_word(line.words, [&](const std::string& name) -> Result<void> {
        TRY(const std::string body, client.call("POST", "/containers/" + url_escape(name) + "/pause"));
        return {};
    });
}

}  // namespace dockerc
