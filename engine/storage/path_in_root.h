// Paths inside a container: whatever its symlinks say, they stay below the root descriptor. Blocking.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::storage {

// openat2 with RESOLVE_IN_ROOT, close-on-exec, no magic links. -1 and errno.
int open_in(int root, const char* path, uint64_t flags, unsigned mode = 0);
// The folders of the path that are not there yet, 0755.
Result<void> make_folders(int root, const std::string& path);

// "/a/b/../c" -> "/a/c", always with a leading slash: by the letters alone, as Go's filepath.Join("/", path).
std::string absolute_path(std::string_view path);
// absolute_path, but a trailing "/" or "/." stays: it asks for the folder behind a symlink.
std::string asked_path(std::string_view path);
// The last name of a path: "/" of the root, "." of "/etc/.".
std::string base_name(std::string_view path);

// With every symlink followed, the last one too. What is not there is an error (errno ENOENT), or stays as it is
// written when `lenient`.
Result<std::string> resolve_path(int root, std::string_view path, bool lenient);

// lstat of an asked_path.
Result<void> stat_in(int root, const std::string& path, struct stat& out);

}  // namespace engine::storage
