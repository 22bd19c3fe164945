// One dockercd-registry process, from the loop's side: started with a job, heard line by line, killed when no one wants
// its answer any more.
#pragma once

#include <functional>
#include <string>

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/registry_job.h"

namespace engine::storage {

struct RegistryProgress {
    virtual ~RegistryProgress() = default;
    virtual void current(int64_t bytes) = 0;
    virtual void retry(int64_t seconds) = 0;
};

// helper: the dockercd-registry binary. input, output: what the process has on descriptors 0 and 1, or none; they are
// closed here when it runs. The answer's text, or the error it tells.
Task<std::string> run_registry(std::string helper, std::string verb, const RegistryJob& job, UniqueFd input,
                               UniqueFd output, RegistryProgress* progress, reactor::StopToken stop);

}  // namespace engine::storage
