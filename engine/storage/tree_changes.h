// What a container has changed: its tree compared with the layers it stands on. Blocking; runs in a worker.
#pragma once

#include <string>
#include <vector>

#include "engine/storage/merged_folder.h"

namespace engine::storage {

enum class ChangeKind : unsigned char { modified = 0, added = 1, deleted = 2 };  // numbers of the API

struct Change {
    std::string path;  // "/etc/passwd"
    ChangeKind kind = ChangeKind::modified;
};

enum class TreeKind : unsigned char {
    upper,  // overlay's own layer: what is not in it is unchanged, marks say what is gone
    whole,  // a copy of everything: what is not in it is gone
};

// As dockerd tells it: a folder is modified when its attributes are or anything below it is; times and sizes count for
// everything but folders. In the order of a walk by name.
Result<std::vector<Change>> changes_of(int tree, const MergedFolder& below, TreeKind kind);

// Under `into`, an empty folder, the layer that makes the tree of what is below. False: there is no difference at all.
Result<bool> make_layer(int tree, const MergedFolder& below, TreeKind kind, int into);

}  // namespace engine::storage
