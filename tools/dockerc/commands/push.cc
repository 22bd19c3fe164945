#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/docker_config.h"
#include "tools/dockerc/image_name.h"
#include "tools/dockerc/progress.h"

namespace dockerc {

int push_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, quiet = false;
    line.app.add_flag("-a,--all-tags", all, "Push all tags of an image to the repository");
    line.app.add_flag("-q,--quiet", quiet, "Suppress verbose output");
    bool untrusted = true;  // it is never done
    line.app.add_flag("--disable-content-trust", untrusted, "Skip image verification");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    ImageName name = split_image_name(line.words[0]);
    if (all && !name.tag.empty()) {
        std::fprintf(stderr, "tag can't be used with --all-tags/-a\n");
        return 1;
    }
    if (!all && name.tag.empty()) {
        name.tag = "latest";
        if (!quiet) std::printf("Using default tag: latest\n");
    }
    const auto login = find_login(server_of_image(name.repository));
    if (!login) return report(login.error());
    client.set_registry_auth(registry_auth(*login));
    ProgressDisplay display(stdout, quiet);
    const auto done =
        client.stream("POST", "/images/" + name.repository + "/push" + Query().add("tag", name.tag).text(),
                      [&](std::string_view bytes) { return display.feed(bytes); });
    if (!done) return report(done.error());
    if (!display.error().empty()) {
        std::fprintf(stderr, "%s\n", display.error().c_str());
        return 1;
    }
    if (quiet) std::printf("%s\n", qualified_name(name).c_str());
    return 0;
}

}  // namespace dockerc
