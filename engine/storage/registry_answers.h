// What dockercd-registry answers, back from JSON. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/registry_manifest.h"

namespace engine::storage {

struct ResolvedImage {
    std::string endpoint, token;
    std::string manifest, media_type, digest;  // of the image itself
    std::string listed_digest;                 // of what the tag names: an index, or the same
    std::string config;
    std::vector<std::string> diff_ids;
    std::vector<Descriptor> layers;
};

struct CheckedBlobs {
    std::string endpoint, token;
    std::vector<std::string> states;  // "exists", "mounted:<repository>", "missing"
};

Result<ResolvedImage> parse_resolve_answer(std::string_view answer);
Result<std::vector<std::string>> parse_tags_answer(std::string_view answer);
Result<CheckedBlobs> parse_check_answer(std::string_view answer);
Result<Descriptor> parse_upload_answer(std::string_view answer);  // digest and size
Result<std::string> parse_text_answer(std::string_view answer, std::string_view key);

}  // namespace engine::storage
