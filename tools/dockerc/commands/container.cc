// `dockerc container VERB`: prune here; any other verb is the command of that name (`ls` is ps).
#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/prune.h"

namespace dockerc {
namespace {

const Command prune_command{"container prune", "[OPTIONS]", "Remove all stopped containers", nullptr};
constexpr PruneKind stopped{"/containers/prune", "all stopped containers", nullptr,
                            "ContainersDeleted", "Deleted Containers",     print_removed, true};

}  // namespace

int container_command(const Command& command, Client& client, Arguments arguments) {
    std::string verb = arguments.empty() ? "--help" : arguments[0];
    if (!arguments.empty()) arguments.erase(arguments.begin());
    if (verb == "prune") return run_prune(prune_command, client, std::move(arguments), stopped);
    if (verb == "ls" || verb == "list") verb = "ps";
    for (const char* apart : {"container", "images", "import", "info", "load", "rmi", "tag", "version"})
        if (verb == apart) verb = "--help";
    for (const Command& other : commands)
        if (verb == other.name) return other.run(other, client, std::move(arguments));
    std::printf("Usage:  dockerc container %s\n\n%s\n", command.usage, command.summary);
    return verb == "--help" ? 0 : 1;
}

}  // namespace dockerc
