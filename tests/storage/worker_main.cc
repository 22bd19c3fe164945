// The worker verbs without the engine around them: tests and measurements run it as they would run `dockercd worker`.
#include <unistd.h>

#include "engine/storage/worker.h"

int main(int argc, char** argv) {
    _exit(argc < 3 ? 2 : engine::storage::worker_main(argc - 2, argv + 2));  // as the engine ends its own
}
