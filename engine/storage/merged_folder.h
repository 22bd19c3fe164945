// One folder of a stack of layers, as a merged file system would show it: overlay's marks and the archive's own .wh.
// files are obeyed. Read-only, fd-relative, blocking.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::storage {

class MergedFolder {
public:
    MergedFolder() = default;
    explicit MergedFolder(std::vector<UniqueFd> roots);  // topmost first

    struct Item {
        struct stat facts {};
        int folder = -1;  // that holds it, borrowed
    };
    // What the stack shows under the name.
    Result<std::optional<Item>> find(const char* name) const;
    // The folder of that name; an empty one when there is none.
    Result<MergedFolder> enter(const char* name) const;
    Result<std::vector<std::string>> names() const;  // sorted
    bool empty() const { return folders_.empty(); }

private:
    std::vector<std::shared_ptr<UniqueFd>> folders_;  // topmost first; none of them hides a later one as a whole
};

}  // namespace engine::storage
