// dockerc: the command line client. Finds the command in the table and the engine to talk to.
#include <cstdio>
#include <cstdlib>

#include "tools/dockerc/commands/commands.h"

namespace dockerc {

const std::vector<Command> commands = {
    {"attach", "[OPTIONS] CONTAINER", "Attach local standard streams to a running container", attach_command},
    {"commit", "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Create a new image from a container's changes",
     commit_command},
    {"container", "COMMAND", "Manage containers (ls, prune, and every command on containers)", container_command},
    {"cp", "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
     "Copy files/folders between a container and the local filesystem", cp_command},
    {"create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", create_command},
    {"diff", "CONTAINER", "Inspect changes to files or directories on a container's filesystem", diff_command},
    {"events", "[OPTIONS]", "Get real time events from the server", events_command},
    {"exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container", exec_command},
    {"export", "[OPTIONS] CONTAINER", "Export a container's filesystem as a tar archive", export_command},
    {"history", "[OPTIONS] IMAGE", "Show the history of an image", history_command},
    {"image", "COMMAND", "Manage images", image_command},
    {"images", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_command},
    {"import", "[OPTIONS] file|- [REPOSITORY[:TAG]]", "Import a tarball to create an image", import_command},
    {"info", "[OPTIONS]", "Display system-wide information", info_command},
    {"inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "Return low-level information on objects", inspect_command},
    {"kill", "[OPTIONS] CONTAINER [CONTAINER...]", "Kill one or more running containers", kill_command},
    {"load", "[OPTIONS]", "Load an image from a tar archive or STDIN", load_command},
    {"login", "[OPTIONS] [SERVER]", "Authenticate to a registry", login_command},
    {"logout", "[SERVER]", "Log out from a registry", logout_command},
    {"logs", "[OPTIONS] CONTAINER", "Fetch the logs of a container", logs_command},
    {"network", "COMMAND", "Manage networks", network_command},
    {"pause", "CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", pause_command},
    {"port", "CONTAINER [PRIVATE_PORT[/PROTO]]", "List port mappings or a specific mapping for the container",
     port_command},
    {"ps", "[OPTIONS]", "List containers", ps_command},
    {"pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", pull_command},
    {"push", "[OPTIONS] NAME[:TAG]", "Upload an image to a registry", push_command},
    {"registry", "serve [OPTIONS]", "Serve a registry of images, from a folder or an engine", registry_command},
    {"rename", "CONTAINER NEW_NAME", "Rename a container", rename_command},
    {"restart", "[OPTIONS] CONTAINER [CONTAINER...]", "Restart one or more containers", restart_command},
    {"rm", "[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers", rm_command},
    {"rmi", "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", rmi_command},
    {"run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", run_command},
    {"save", "[OPTIONS] IMAGE [IMAGE...]", "Save one or more images to a tar archive (streamed to STDOUT by default)",
     save_command},
    {"search", "[OPTIONS] TERM", "Search a registry for images", search_command},
    {"start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers", start_command},
    {"stats", "[OPTIONS] [CONTAINER...]", "Display a live stream of container(s) resource usage statistics",
     stats_command},
    {"stop", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop one or more running containers", stop_command},
    {"tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag that refers to an image", tag_command},
    {"top", "CONTAINER [ps OPTIONS]", "Display the running processes of a container", top_command},
    {"unpause", "CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers", unpause_command},
    {"update", "[OPTIONS] CONTAINER [CONTAINER...]", "Update configuration of one or more containers", update_command},
    {"version", "[OPTIONS]", "Show the Docker version information", version_command},
    {"wait", "CONTAINER [CONTAINER...]", "Block until containers stop, then print their exit codes", wait_command},
};

namespace {

int usage(std::FILE* out, int code) {
    std::fprintf(out, "Usage:  dockerc [-H HOST] COMMAND\n\nCommands:\n");
    for (const Command& command : commands) std::fprintf(out, "  %-10s %s\n", command.name, command.summary);
    std::fprintf(out, "\nRun 'dockerc COMMAND --help' for more information on a command.\n");
    return code;
}

int run(std::vector<std::string> arguments) {
    const char* from_environment = std::getenv("DOCKER_HOST");
    std::string host = from_environment == nullptr ? "" : from_environment;
    std::size_t at = 0;
    for (; at < arguments.size() && arguments[at].starts_with('-'); ++at) {
        const std::string& argument = arguments[at];
        if ((argument == "-H" || argument == "--host") && at + 1 < arguments.size()) {
            host = arguments[++at];
        } else if (argument.starts_with("--host=")) {
            host = argument.substr(7);
        } else if (argument.starts_with("-H") && argument.size() > 2) {
            host = argument.substr(argument[2] == '=' ? 3 : 2);
        } else if (argument == "--help" || argument == "-h") {
            return usage(stdout, 0);
        } else if (argument == "--version" || argument == "-v") {
            std::printf("dockerc version %s\n", DOCKERC_VERSION);
            return 0;
        } else {
            std::fprintf(stderr, "unknown flag: %s\n\nRun 'dockerc --help' for more information\n", argument.c_str());
            return exit_usage;
        }
    }
    if (at == arguments.size()) return usage(stdout, 0);
    const std::string name = arguments[at];
    if (name == "help") return usage(stdout, 0);
    auto endpoint = parse_endpoint(host.empty() ? "unix:///var/run/docker.sock" : host);
    if (!endpoint) return report(endpoint.error());
    Client client(std::move(*endpoint));
    arguments.erase(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    for (const Command& command : commands)
        if (name == command.name) return command.run(command, client, std::move(arguments));
    std::fprintf(stderr, "dockerc: unknown command: dockerc %s\n\nRun 'dockerc --help' for more information\n",
                 name.c_str());
    return 1;
}

}  // namespace
}  // namespace dockerc

int main(int argc, char** argv) { return dockerc::run({argv + 1, argv + argc}); }
