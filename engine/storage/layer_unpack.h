// One layer tar becomes a tree. Runs in a confined worker: blocking. Every path is resolved inside the layer's own
// folder.
#pragma once

#include <optional>
#include <string>

#include "engine/reactor/unique_fd.h"
#include "engine/storage/tar_reader.h"

namespace engine::storage {

struct UnpackedLayer {
    std::string diff_id;    // sha256 of the uncompressed tar
    int64_t size = 0;       // bytes of its regular files
    int64_t tar_bytes = 0;  // of the uncompressed tar
    int64_t entries = 0;
    std::string blob_digest;  // of the archive as it came, when it was compressed and kept
    int64_t blob_size = 0;
};

// root: an empty folder's descriptor, borrowed. The source may be compressed; it is read to its end. The process's
// umask must be 0. A failure leaves a part of the tree behind: the caller discards it. Whiteouts take overlay's form:
// .wh.x is a character device 0:0, .wh..wh..opq is trusted.overlay.opaque=y. Where the file system refuses those (it is
// an overlay itself) they stay the files they are in the archive: there only the copying backend works, and it knows
// both.
Result<UnpackedLayer> unpack_layer(BlockingSource& source, int root);

// The same into folder/fs, and beside it what makes the exact archive again (tar_split.h): the compressed archive as it
// came, or the split of a plain one. folder: an empty folder's descriptor, borrowed.
Result<UnpackedLayer> unpack_layer_kept(BlockingSource& source, int folder);

struct Owner {
    uint32_t uid = 0;
    uint32_t gid = 0;
};

struct UnpackOptions {
    std::string base;  // below root, without symlinks: where names begin
    bool keep_types = false;
    std::string renamed, as;     // names that begin with the one folder begin with the other instead
    std::optional<Owner> owner;  // instead of the archive's
};
// An archive that is no layer: .wh. names are names, a name's ".." is resolved by its letters and must stay below the
// base, symlinks in the way are followed inside root.
Result<void> unpack_archive(BlockingSource& source, int root, const UnpackOptions& options);

// "a/./b//" -> "a/b"; "" for the root. ".." is refused: no layer needs it and nothing good does it.
Result<std::string> clean_path(std::string_view path);

}  // namespace engine::storage
