// Which images `GET /images/json` lists: its `filters`, in dockerd's meaning.
#pragma once

#include <functional>
#include <vector>

#include "engine/api/filters.h"
#include "engine/api/image_json.h"

namespace engine::api {

// Newest first. References that a `reference` filter does not match are left out of the image's lists.
// Without `all`, images without a name that others were committed on are not shown.
Result<std::vector<ImageSummary>> list_images_by(const storage::ImageStore& store, const Filters& filters,
                                                 bool all = false);

// Which images a prune takes.
struct PruneFilter {
    bool tagged_too = false;  // dangling=false
    std::function<bool(const storage::Image&)> matches;
};
Result<PruneFilter> prune_filter(const Filters& filters);

}  // namespace engine::api
