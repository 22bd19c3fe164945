#include "tools/dockerc/archive_file.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int export_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string output;
    line.app.add_option("-o,--output", output, "Write to a file, instead of STDOUT");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    return receive_archive(client, "/containers/" + url_escape(line.words[0]) + "/export", output, "export");
}

}  // namespace dockerc
