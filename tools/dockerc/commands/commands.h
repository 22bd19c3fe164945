// One function per command, each in the file of its name.
#pragma once

#include "tools/dockerc/command.h"

namespace dockerc {

#define DOCKERC_COMMAND(name) int name##_command(const Command& command, Client& client, Arguments arguments)
DOCKERC_COMMAND(attach);
DOCKERC_COMMAND(commit);
DOCKERC_COMMAND(container);
DOCKERC_COMMAND(cp);
DOCKERC_COMMAND(create);
DOCKERC_COMMAND(diff);
DOCKERC_COMMAND(events);
DOCKERC_COMMAND(exec);
DOCKERC_COMMAND(export);
DOCKERC_COMMAND(history);
DOCKERC_COMMAND(image);
DOCKERC_COMMAND(images);
DOCKERC_COMMAND(import);
DOCKERC_COMMAND(info);
DOCKERC_COMMAND(inspect);
DOCKERC_COMMAND(kill);
DOCKERC_COMMAND(load);
DOCKERC_COMMAND(login);
DOCKERC_COMMAND(logout);
DOCKERC_COMMAND(logs);
DOCKERC_COMMAND(network);
DOCKERC_COMMAND(pause);
DOCKERC_COMMAND(port);
DOCKERC_COMMAND(ps);
DOCKERC_COMMAND(pull);
DOCKERC_COMMAND(push);
DOCKERC_COMMAND(registry);
DOCKERC_COMMAND(rename);
DOCKERC_COMMAND(restart);
DOCKERC_COMMAND(rm);
DOCKERC_COMMAND(rmi);
DOCKERC_COMMAND(run);
DOCKERC_COMMAND(save);
DOCKERC_COMMAND(search);
DOCKERC_COMMAND(start);
DOCKERC_COMMAND(stats);
DOCKERC_COMMAND(stop);
DOCKERC_COMMAND(tag);
DOCKERC_COMMAND(top);
DOCKERC_COMMAND(unpause);
DOCKERC_COMMAND(update);
DOCKERC_COMMAND(version);
DOCKERC_COMMAND(wait);
#undef DOCKERC_COMMAND

}  // namespace dockerc
