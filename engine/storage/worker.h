// The processes that do what blocks. `dockercd worker VERB ...`:
//   load FOLDER      an image archive on descriptor 0 -> layers under FOLDER
//   import FOLDER    a root filesystem tar on descriptor 0 -> FOLDER/0 (a layer's folder: tar_split.h)
//   archive LAYER    the archive of a layer's folder (tar_split.h), gzip -> descriptor 1
//   copy FOLDER LAYER...   the layers' trees, bottom first, into the one empty tree FOLDER
//   remove           deletes the trees it is told on descriptor 0, until its end (tree_remover.h)
//   commit FOLDER KIND TREE LAYER...   the difference of a container's tree and its layers (topmost first), as
//                    a layer under FOLDER/0; KIND is upper or whole (see tree_changes.h)
//   changes KIND TREE LAYER...         that difference as the API lists it
//   changed KIND TREE LAYER...         how many bytes its files have
//   stat VIEW PATH | pack VIEW PATH | extract VIEW PATH KEEP_TYPES USER | export VIEW   see container_archive.h
//   save LAYERS      a plan (archive_save.h) on descriptor 0 -> an image archive
// The answer of the others is one JSON record and a newline on descriptor 3; the exit code is 0 when it is no error.
// pack, export and save write an archive on descriptor 1 after the record; what fails then is a second one.
#pragma once

namespace engine::storage {

inline constexpr int worker_result_fd = 3;

// argv[0] is the verb.
int worker_main(int argc, char** argv);

}  // namespace engine::storage
