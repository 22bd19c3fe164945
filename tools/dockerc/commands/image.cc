#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/prune.h"

namespace dockerc {
namespace {

void print_image(JsonValue removed) {
    const std::string untagged = json_text(removed, "Untagged"), deleted = json_text(removed, "Deleted");
    if (!untagged.empty()) std::printf("untagged: %s\n", untagged.c_str());
    if (!deleted.empty()) std::printf("deleted: %s\n", deleted.c_str());
}

int prune(const Command& command, Client& client, Arguments arguments) {
    constexpr PruneKind images{"/images/prune",
                               "all dangling images",
                               "all images without at least one container associated to them",
                               "ImagesDeleted",
                               "Deleted Images",
                               print_image,
                               true};
    return run_prune(command, client, std::move(arguments), images);
}

const Command of_images[] = {
    {"image history", "[OPTIONS] IMAGE", "Show the history of an image", history_command},
    {"image import", "[OPTIONS] file|- [REPOSITORY[:TAG]]", "Import a tarball to create an image", import_command},
    {"image inspect", "[OPTIONS] IMAGE [IMAGE...]", "Display detailed information on one or more images",
     inspect_command},
    {"image load", "[OPTIONS]", "Load an image from a tar archive or STDIN", load_command},
    {"image ls", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_command},
    {"image prune", "[OPTIONS]", "Remove unused images", prune},
    {"image rm", "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", rmi_command},
    {"image save", "[OPTIONS] IMAGE [IMAGE...]", "Save one or more images to a tar archive", save_command},
    {"image tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag that refers to an image", tag_command},
};

}  // namespace

int image_command(const Command& command, Client& client, Arguments arguments) {
    return run_group(command, of_images, client, std::move(arguments));
}

}  // namespace dockerc
