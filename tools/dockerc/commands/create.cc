#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/container_options.h"

namespace dockerc {

int create_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    ContainerOptions options;
    add_container_options(line, options, false);
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20, true); code >= 0) return code;
    options.image = line.words.front();
    options.command.assign(line.words.begin() + 1, line.words.end());
    const auto id = create_container(client, options);
    if (!id) return report_usage(command, id.error().message(), 1);
    std::printf("%s\n", id->c_str());
    return 0;
}

}  // namespace dockerc
