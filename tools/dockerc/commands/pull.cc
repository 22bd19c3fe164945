#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/docker_config.h"
#include "tools/dockerc/image_name.h"
#include "tools/dockerc/progress.h"

namespace dockerc {

int pull_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, quiet = false;
    std::string platform;
    line.app.add_flag("-a,--all-tags", all, "Download all tagged images in the repository");
    line.app.add_flag("-q,--quiet", quiet, "Suppress verbose output");
    line.app.add_option("--platform", platform, "Set platform if server is multi-platform capable");
    bool untrusted = true;  // it is never done
    line.app.add_flag("--disable-content-trust", untrusted, "Skip image verification");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    ImageName name = split_image_name(line.words[0]);
    if (all && (!name.tag.empty() || !name.digest.empty())) {
        std::fprintf(stderr, "tag can't be used with --all-tags/-a\n");
        return 1;
    }
    if (!all && name.tag.empty() && name.digest.empty()) {
        name.tag = "latest";
        if (!quiet) std::printf("Using default tag: latest\n");
    }
    const auto login = find_login(server_of_image(name.repository));
    if (!login) return report(login.error());
    client.set_registry_auth(registry_auth(*login));
    Query query;
    query.add("fromImage", name.repository).add("tag", name.digest.empty() ? name.tag : name.digest);
    query.add("platform", platform);
    ProgressDisplay display(stdout, quiet);
    const auto done = client.stream("POST", "/images/create" + query.text(),
                                    [&](std::string_view bytes) { return display.feed(bytes); });
    if (!done) return report(done.error());
    if (!display.error().empty()) {
        std::fprintf(stderr, "%s\n", display.error().c_str());
        return 1;
    }
    std::printf("%s\n", qualified_name(name).c_str());
    return 0;
}

}  // namespace dockerc
