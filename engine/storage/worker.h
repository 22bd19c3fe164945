// The processes that do what blocks. `dockercd worker VERB ...`:
//   load FOLDER      an image archive on descriptor 0 -> layers under FOLDER
//   import FOLDER    a root filesystem tar on descriptor 0 -> FOLDER/0 (a layer's folder: tar_split.h)
//   archive LAYER    the archive of a layer's folder (tar_split.h), gzip -> descriptor 1
//   copy FOLDER LAYER...   the layers' trees, bottom first, into the one empty tree FOLDER
//   remove           deletes the trees it is told on descriptor 0, until its end (tree_remover.h)
// The answer of the others is one JSON record on descriptor 3; the exit code is 0 when it is not an error.
#pragma once

namespace engine::storage {

inline constexpr int worker_result_fd = 3;

// argv[0] is the verb.
int worker_main(int argc, char** argv);

}  // namespace engine::storage
