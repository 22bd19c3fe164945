// What an image archive says about itself: docker-save's manifest.json and repositories, OCI's index.json. Pure: it is
// given the archive's small files and answers with names of blobs. Also the few fields of a config the store needs.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

struct ArchiveImage {
    std::string config;               // exact bytes
    std::vector<std::string> tags;    // as written: busybox:latest
    std::vector<std::string> layers;  // names of entries in the archive, bottom first
};

using Blobs = std::map<std::string, std::string, std::less<>>;    // entry name -> bytes
using Aliases = std::map<std::string, std::string, std::less<>>;  // symlink's name -> name it stands for

Result<std::vector<ArchiveImage>> read_archive(const Blobs& blobs, const Aliases& aliases);

struct ConfigFacts {
    std::string os, architecture, variant;
    std::vector<std::string> diff_ids;
};
Result<ConfigFacts> read_config(std::string_view config);

// config (an object's text; may be "{}") with rootfs, history, created, architecture and os added.
Result<std::string> make_config(std::string_view config, std::string_view diff_id, std::string_view created,
                                std::string_view comment);

}  // namespace engine::storage
