// `prune` of containers, images and networks: the question, the request, what was removed.
#pragma once

#include "tools/dockerc/command.h"

namespace dockerc {

struct PruneKind {
    const char* path;         // "/containers/prune"
    const char* what;         // "all stopped containers", for the question
    const char* what_of_all;  // with --all; none: there is no such flag
    const char* list;         // of the answer
    const char* heading;
    void (*print)(JsonValue removed);
    bool reclaims;            // the answer says how much room there is again
};
int run_prune(const Command& command, Client& client, Arguments arguments, const PruneKind& kind);

// An entry that is a name or an id.
void print_removed(JsonValue removed);

}  // namespace dockerc
