#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/json_indent.h"

namespace dockerc {

int inspect_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool size = false;
    std::string type;
    line.app.add_flag("-s,--size", size, "Display total file sizes if the type is container");
    line.app.add_option("--type", type, "Only inspect objects of the given type");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    std::string out;
    std::vector<std::string> errors;
    for (const std::string& name : line.words) {
        bool found = false;
        for (const std::string kind : {"container", "image"}) {
            if (found || (!type.empty() && type != kind)) continue;
            const auto answer = client.request("GET", "/" + kind + "s/" + url_escape(name) + "/json" +
                                                          (size && kind == "container" ? "?size=1" : ""));
            if (!answer) return report(answer.error());
            if (answer->status == 404) continue;
            if (answer->status >= 400) {
                errors.push_back(daemon_error(answer->status, answer->body).message());
            } else {
                out += (out.empty() ? "\n" : ",\n") + indented_json(answer->body, 1);
            }
            found = true;
        }
        if (!found)
            errors.push_back("Error: No such " + (type.empty() ? std::string("object") : type) + ": " + name);
    }
    std::printf("[%s%s]\n", out.c_str(), out.empty() ? "" : "\n");
    std::fflush(stdout);
    for (const std::string& error : errors) std::fprintf(stderr, "%s\n", error.c_str());
    return errors.empty() ? 0 : 1;
}

}  // namespace dockerc
