// Trees of files: removed, copied. Blocking, fd-relative, never through a symlink.
#pragma once

#include <cstdint>
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

// Bytes of the regular files below, hard links once.
Result<int64_t> tree_size_at(int folder, const char* name);

}  // namespace engine::storage
