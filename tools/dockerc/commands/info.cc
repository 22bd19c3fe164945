#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/text.h"

namespace dockerc {

int info_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    std::printf("Client:\n Version:    %s\n\nServer:\n", DOCKERC_VERSION);
    std::fflush(stdout);
    const auto body = client.call("GET", "/info");
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    const JsonValue root = document.root();
    const auto number = [root](const char* label, const char* key) {
        std::printf(" %s: %lld\n", label, static_cast<long long>(json_number(root, key)));
    };
    const auto text = [root](const char* label, const char* key) {
        std::printf(" %s: %s\n", label, json_text(root, key).c_str());
    };
    number("Containers", "Containers");
    number(" Running", "ContainersRunning");
    number(" Paused", "ContainersPaused");
    number(" Stopped", "ContainersStopped");
    number("Images", "Images");
    text("Server Version", "ServerVersion");
    text("Storage Driver", "Driver");
    text("Logging Driver", "LoggingDriver");
    text("Cgroup Driver", "CgroupDriver");
    text("Cgroup Version", "CgroupVersion");
    text("Kernel Version", "KernelVersion");
    text("Operating System", "OperatingSystem");
    text("OSType", "OSType");
    text("Architecture", "Architecture");
    number("CPUs", "NCPU");
    std::printf(" Total Memory: %.4gGiB\n", static_cast<double>(json_number(root, "MemTotal")) / (1 << 30));
    text("Name", "Name");
    text("ID", "ID");
    text("Docker Root Dir", "DockerRootDir");
    return 0;
}

}  // namespace dockerc
