// docker cp's two ways, as a worker does them inside a container's view. Blocking.
#pragma once

#include <string>
#include <string_view>

#include "engine/storage/rootfs_view.h"
#include "engine/storage/tar_writer.h"

namespace engine::storage {

struct PathStat {
    std::string name;
    int64_t size = 0;
    uint32_t mode = 0;  // st_mode
    int64_t mtime_seconds = 0;
    uint32_t mtime_nanoseconds = 0;
    std::string link_target;  // of a symlink: where it ends
};

// Not there: kind not_found.
Result<PathStat> stat_path(int root, std::string_view path);
// The item called by its own name, a folder with all below it.
Result<void> pack_path(int root, std::string_view path, TarSink& sink);

struct ExtractOptions {
    bool keep_types = false;  // a folder does not give way to a file, nor a file to a folder
    std::string user;         // whose all of it becomes: "name", "uid:gid", ...; "": as the archive says
};
// The archive (plain, gzip or zstd) into an existing folder.
Result<void> extract_to(int root, const RootfsView& view, std::string_view path, BlockingSource& source,
                        const ExtractOptions& options);

std::string encode_stat(const PathStat& stat);
Result<PathStat> decode_stat(std::string_view record);

}  // namespace engine::storage
