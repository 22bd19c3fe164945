#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int wait_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    int code = 0;
    for (const std::string& name : line.words) {
        const auto body = client.call("POST", "/containers/" + url_escape(name) + "/wait");
        JsonDocument document;
        if (!body)
            code = report(body.error());
        else if (document.parse(*body))
            std::printf("%lld\n", static_cast<long long>(json_number(document.root(), "StatusCode")));
    }
    return code;
}

}  // namespace dockerc
