#include <cstdio>
#include <iostream>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

bool confirmed(bool all) {
    std::printf("WARNING! This will remove all %s.\nAre you sure you want to continue? [y/N] ",
                all ? "images without at least one container associated to them" : "dangling images");
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y";
}

int prune(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, force = false;
    std::vector<std::string> filters;
    line.app.add_flag("-a,--all", all, "Remove all unused images, not just dangling ones");
    line.app.add_flag("-f,--force", force, "Do not prompt for confirmation");
    line.list("--filter", filters, "Provide filter values (e.g. \"until=<timestamp>\")");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    filters.push_back(all ? "dangling=false" : "dangling=true");
    const auto json = filters_json(filters);
    if (!json) return report_usage(command, json.error().message());
    if (!force && !confirmed(all)) {
        std::fprintf(stderr, "image prune has been cancelled\n");
        return 1;
    }
    const auto body = client.call("POST", "/images/prune" + Query().add("filters", *json).text());
    if (!body) return report(body.error());
    JsonDocument document;
    if (!document.parse(*body)) return 1;
    bool any = false;
    json_each(document.root(), "ImagesDeleted", [&any](JsonValue item) {
        if (!any) std::printf("Deleted Images:\n");
        any = true;
        const std::string untagged = json_text(item, "Untagged"), deleted = json_text(item, "Deleted");
        if (!untagged.empty()) std::printf("untagged: %s\n", untagged.c_str());
        if (!deleted.empty()) std::printf("deleted: %s\n", deleted.c_str());
    });
    std::printf("%sTotal reclaimed space: %s\n", any ? "\n" : "",
                human_size(json_number(document.root(), "SpaceReclaimed")).c_str());
    return 0;
}

const Command of_images[] = {
    {"history", "[OPTIONS] IMAGE", "Show the history of an image", history_command},
    {"import", "[OPTIONS] file|- [REPOSITORY[:TAG]]", "Import a tarball to create an image", import_command},
    {"inspect", "[OPTIONS] IMAGE [IMAGE...]", "Display detailed information on one or more images", inspect_command},
    {"load", "[OPTIONS]", "Load an image from a tar archive or STDIN", load_command},
    {"ls", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_command},
    {"prune", "[OPTIONS]", "Remove unused images", prune},
    {"rm", "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", rmi_command},
    {"save", "[OPTIONS] IMAGE [IMAGE...]", "Save one or more images to a tar archive", save_command},
    {"tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag that refers to an image", tag_command},
};

}  // namespace

int image_command(const Command&, Client& client, Arguments arguments) {
    const std::string name = arguments.empty() ? "--help" : arguments.front();
    if (name != "--help") {
        for (const Command& command : of_images) {
            if (name != command.name) continue;
            arguments.erase(arguments.begin());
            return command.run(command, client, std::move(arguments));
        }
        std::fprintf(stderr,
                     "dockerc: unknown command: dockerc image %s\n\nRun 'dockerc image --help' for more information\n",
                     name.c_str());
        return 1;
    }
    std::printf("Usage:  dockerc image COMMAND\n\nManage images\n\nCommands:\n");
    for (const Command& command : of_images) std::printf("  %-10s %s\n", command.name, command.summary);
    return 0;
}

}  // namespace dockerc
