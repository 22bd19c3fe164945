#include <fcntl.h>

#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/archive_file.h"
#include "tools/dockerc/commands/commands.h"

namespace dockerc {

int save_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string output;
    line.app.add_option("-o,--output", output, "Write to a file, instead of STDOUT");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    Query query;
    for (const std::string& name : line.words) query.add("names", name);
    return receive_archive(client, "/images/get" + query.text(), output, "save");
}

}  // namespace dockerc
