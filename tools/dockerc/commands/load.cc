#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <fcntl.h>

namespace dockerc {

int load_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string input;
    bool quiet = false;
    line.app.add_option("-i,--input", input, "Read from tar archive file, instead of STDIN");
    line.app.add_flag("-q,--quiet", quiet, "Suppress the load output");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    UniqueFd file;
    if (!input.empty()) {
        file.reset(::open(input.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) {
            std::fprintf(stderr, "open %s: %s\n", input.c_str(),
                         errno == ENOENT ? "no such file or directory" : std::strerror(errno));
            return 1;
        }
    } else if (::isatty(STDIN_FILENO) == 1) {
        std::fprintf(stderr, "requested load from stdin, but stdin is empty\n");
        return 1;
    }
    std::string text, failed;
    const auto line_done = [&failed](std::string_view json) {
        JsonDocument document;
        if (!document.parse(json)) return;
        if (const std::string error = json_text(document.root(), "error"); !error.empty()) failed = error;
        std::fputs(json_text(document.root(), "stream").c_str(), stdout);
    };
    const BodySink sink = [&](std::string_view bytes) -> Result<void> {
        text.append(bytes);
        for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
            line_done(std::string_view(text).substr(0, end));
        return {};
    };
    const auto done = client.upload("/images/load?quiet=1", file ? file.get() : STDIN_FILENO, sink);
    if (!done) return report(done.error());
    if (!text.empty()) line_done(text);
    if (failed.empty()) return 0;
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", failed.c_str());
    return 1;
}

}  // namespace dockerc
