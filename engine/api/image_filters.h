// Which images `GET /images/json` lists: its `filters`, in dockerd's meaning.
#pragma once

#include <vector>

#include "engine/api/filters.h"
#include "engine/api/image_json.h"

namespace engine::api {

// Newest first. References that a `reference` filter does not match are left out of the image's lists.
Result<std::vector<ImageSummary>> list_images_by(const storage::ImageStore& store, const Filters& filters);

}  // namespace engine::api
