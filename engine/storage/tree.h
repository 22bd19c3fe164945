// Trees of files: removed, copied. Blocking, fd-relative, never through a symlink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

// What `name` in the folder is, with all below it. Nothing there: no error.
Result<void> remove_tree_at(int folder, const char* name);
// Adds the layer under `from` to the tree under `into`: whiteouts and opaque marks (overlay's, or the archive's own
// .wh. files) are obeyed, not copied. Both are borrowed folder descriptors. Hard links inside one layer stay hard
// links. verbatim: marks are copied as they are.
Result<void> apply_layer(int from, int into, bool verbatim = false);

// Single items, with all below them; hard links among those that one copier copies stay hard links. Sockets are left
// out.
class TreeCopier {
public:
    explicit TreeCopier(bool verbatim);
    ~TreeCopier();
    Result<void> one(int from, int into, const char* name);
    // Owner, mode, times and extended attributes of `name` in one folder given to its namesake in another.
    Result<void> attributes(int from, int into, const char* name);

private:
    std::unique_ptr<class Copier> copier_;
};

// Bytes of the regular files below, hard links once.
Result<int64_t> tree_size_at(int folder, const char* name);

}  // namespace engine::storage
