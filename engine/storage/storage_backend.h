// Where a container's root filesystem comes from. Two implementations: overlay (the child mounts it in its own mount
// namespace; the engine never mounts) and copy (a plain tree, for file systems overlay cannot use).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::storage {

struct RootfsPlan {
    enum class Kind : unsigned char { overlay, directory };
    Kind kind = Kind::overlay;
    std::vector<std::string> lowers;  // overlay: topmost first, the init layer before all of them; absolute paths
    std::string upper;                // overlay
    std::string work;                 // overlay
    std::string directory;            // directory: the tree itself
};

// One layer of a chain as the backend sees it.
struct ChainLink {
    int64_t number;
};

class StorageBackend {
public:
    virtual ~StorageBackend() = default;
    virtual std::string_view name() const = 0;  // "overlay2", "vfs": as `docker info` shows it
    // chain: bottom first, may be empty. Makes the container's own directories; made twice gives the same plan.
    // A backend that has to copy returns the copy job still to run: see copy_arguments.
    virtual Result<RootfsPlan> prepare(std::string_view container_id, const std::vector<ChainLink>& chain) = 0;
    // The same plan without making anything.
    virtual RootfsPlan plan(std::string_view container_id, const std::vector<ChainLink>& chain) const = 0;
    // Arguments of the worker that must have ended well, and copied() been called, before the plan is used; empty:
    // none.
    virtual std::vector<std::string> copy_arguments(std::string_view container_id,
                                                    const std::vector<ChainLink>& chain) = 0;
    // The worker has done it: from now on the tree is the container's and is not copied again.
    virtual Result<void> copied(std::string_view) { return {}; }
    // Moves the container's directory to DATA/tmp in one rename; the returned path is the tree a remove worker deletes.
    // Empty when there was none.
    virtual Result<std::string> remove(std::string_view container_id) = 0;
};

std::unique_ptr<StorageBackend> make_overlay_backend(std::string data_root);
std::unique_ptr<StorageBackend> make_copy_backend(std::string data_root);
// Nothing when the file system under data_root can hold an overlay's upper directory and overlay's marks, else what it
// lacks. Tried with a file system that is never attached: the mount table does not change. Blocks for a millisecond.
Result<void> check_overlay(const std::string& data_root);

// Makes layers/<n>/init beside layers/<n>/fs: mount points and empty files the runtime binds over. chain: bottom first.
Result<void> make_init_layer(const std::string& data_root, const std::vector<ChainLink>& chain);

}  // namespace engine::storage
