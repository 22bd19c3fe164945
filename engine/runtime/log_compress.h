// Rotated logs as gzip files, made and undone by worker processes: it takes too long for the loop.
#pragma once

#include <string>

#include "engine/reactor/io.h"

namespace engine::runtime {

// `from` is read from its beginning, `to` written; both are borrowed. `worker` is the dockercd binary.
Task<void> gzip_file(std::string worker, int from, int to, reactor::StopToken stop);
// Into a file without a name in `directory`. Of a file that is cut short or broken, as far as it goes; `whole` says
// whether that was to its end.
struct Unzipped {
    UniqueFd fd;
    bool whole = false;
};
Task<Unzipped> gunzip_file(std::string worker, int from, std::string directory, reactor::StopToken stop);

// `dockercd worker gzip|gunzip`: descriptor 0 to descriptor 1. Exit status 0, 1 for a write that failed, 2 for input
// that is broken.
int log_worker_main(bool compress);

}  // namespace engine::runtime
