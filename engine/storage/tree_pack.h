// Trees of files become tar entries: names sorted, hard links, holes, devices, times and extended attributes kept.
// Blocking, fd-relative, never through a symlink; what is swapped meanwhile is at worst missing. Sockets are left out.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "engine/storage/tar_writer.h"

struct stat;

namespace engine::storage {

enum class Marks : unsigned char {
    as_they_are,  // a merged view: there are none
    whiteouts,    // a layer: overlay's marks become .wh. files
};

class TreePacker {
public:
    TreePacker(TarWriter& tar, Marks marks) : tar_(tar), marks_(marks) {}
    // What lies below the folder; each name is prefix + its path.
    Result<void> below(int folder, const std::string& prefix);
    // `name` in the folder, with all below it, as an entry called `path`.
    Result<void> one(int parent, const char* name, const std::string& path);
    // The folder itself as an entry, then what lies below it; path ends in a slash.
    Result<void> folder(int folder, const std::string& path);

private:
    Result<void> below(int folder, const std::string& prefix, size_t depth);
    Result<void> one(int parent, const char* name, const std::string& path, size_t depth);
    Result<void> folder(int folder, const std::string& path, size_t depth);
    // False: it is not there any more.
    Result<bool> file(int parent, const char* name, TarEntry entry, const struct stat& facts);
    Result<void> whiteout(const std::string& path);

    TarWriter& tar_;
    Marks marks_;
    std::map<std::pair<uint64_t, uint64_t>, std::string> linked_;  // device, inode -> its first name
};

// A whole layer's archive as we write it: the tree under `folder`, end included.
Result<void> pack_layer(int folder, TarSink& sink);

// Names in the folder without the two dots, sorted by their bytes.
Result<std::vector<std::string>> sorted_names(int folder);

// The attributes worth keeping: no one's private words (overlay's, the host's security module's).
std::vector<std::pair<std::string, std::string>> xattrs_of(int fd);

}  // namespace engine::storage
