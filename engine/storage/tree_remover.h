// The process that deletes trees for the engine: one for as long as there is something to delete, because starting one
// holds the loop up until the child has its own program (posix_spawn: 2 to 20 ms when both cores are busy). Orders go
// down a pipe, `tree NUL ... NUL NUL` each; the answer to an order is `NUL`, or the first error and `NUL`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/reactor/child_process.h"
#include "engine/reactor/unique_fd.h"

namespace engine::storage {

class TreeRemover {
public:
    explicit TreeRemover(std::string program) : program_(std::move(program)) {}

    // One call at a time. An error of kind `exhausted`: no process could be had now. After any other the trees may
    // still be there, all or some of them.
    Task<void> remove(std::vector<std::string> trees, reactor::StopToken stop);
    Task<void> rest();  // ends the process; the next order starts another

private:
    Result<void> start();
    Task<std::string> ask(std::string order, reactor::StopToken stop);

    std::string program_;
    std::optional<reactor::ChildProcess> child_;
    UniqueFd orders_;
    UniqueFd answers_;
};

// The other side: serves orders from descriptor 0 until its end, answers on `answers`. The exit code.
int serve_removals(int answers);

}  // namespace engine::storage
