// A container's file system as a worker sees it: its root and its binds in a mount namespace of the worker's own, which
// then is locked into it. However the container's symlinks are swapped meanwhile, they lead nowhere else.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/unique_fd.h"
#include "engine/storage/storage_backend.h"

namespace engine::storage {

struct RootfsViewMount {
    std::string source;  // on the host
    std::string target;  // in the container
    bool read_only = false;
    bool recursive = true;
    bool of_user = true;  // a bind or volume; else one of the engine's own files, which nothing is asked about
};

struct RootfsView {
    RootfsPlan rootfs;
    std::string data_root;
    std::string work;      // a folder of its own under DATA/tmp, for an overlay that is written to
    bool running = false;  // the root is taken from the process behind view_process_fd
    bool writable = false;
    bool read_only_rootfs = false;  // the container's own wish: asked before anything is written
    std::vector<RootfsViewMount> mounts;

    std::string text() const;  // for a command line
    static Result<RootfsView> parse(std::string_view text);
};

inline constexpr int view_process_fd = 4;

// Makes the view, chroots into it and locks the worker in (see confine.h). The root folder's descriptor. An error of
// kind `conflict` means that the process has ended: the view can be had without it.
Result<UniqueFd> enter_view(const RootfsView& view);

// Why nothing may be written to the resolved path, in dockerd's words.
Result<void> check_writable(const RootfsView& view, std::string_view path);

}  // namespace engine::storage
