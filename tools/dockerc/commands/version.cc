#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int version_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    std::printf("Client:\n Version:           %s\n API version:       1.51\n OS/Arch:           linux/amd64\n",
                DOCKERC_VERSION);
    const auto body = client.call("GET", "/version");
    std::fflush(stdout);
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    const auto text = [&document](const char* key) { return json_text(document.root(), key); };
    std::printf("\nServer:\n Engine:\n  Version:          %s\n  API version:      %s (minimum version %s)\n"
                "  Git commit:       %s\n  Built:            %s\n  OS/Arch:          %s/%s\n",
                text("Version").c_str(), text("ApiVersion").c_str(), text("MinAPIVersion").c_str(),
                text("GitCommit").c_str(), text("BuildTime").c_str(), text("Os").c_str(), text("Arch").c_str());
    return 0;
}

}  // namespace dockerc
