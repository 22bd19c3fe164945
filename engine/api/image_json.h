// An image as the API shows it: inspect, history, list item. The image's own JSON is foreign: fields of the wrong type
// are as good as absent.
#pragma once

#include <string>

#include "engine/api/api_version.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/storage/image_store.h"

namespace engine::api {

std::string image_inspect(const SystemFacts& facts, const storage::Image& image, ApiVersion version);
// ancestors: the images it was committed on, nearest first.
Result<std::string> image_history(const storage::Image& image, const std::vector<storage::Image>& ancestors);

struct ImageSummary {
    storage::Image image;
    std::int64_t created = 0;       // seconds since 1970
    std::int64_t shared_size = -1;  // -1: not asked for
    std::int64_t containers = -1;
};
void write_image_summary(json::Writer& w, const ImageSummary& summary, ApiVersion version);

// What lists and filters look at.
struct ImageFacts {
    Nanoseconds created = 0;  // 0: the image does not say
    std::map<std::string, std::string> labels;
};
ImageFacts image_facts(const storage::Image& image);

}  // namespace engine::api
