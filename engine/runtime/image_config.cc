#include "engine/runtime/image_config.h"

#include <simdjson.h>

namespace engine::runtime {

Result<std::string> runtime_config_of(std::string_view image_json) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(image_json.data(), image_json.size()).get(root) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "an image's stored configuration is not JSON");
    simdjson::dom::object config;
    if (root["config"].get(config) != simdjson::SUCCESS) return std::string();
    return simdjson::minify(config);
}

std::map<std::string, std::string> image_labels_of(std::string_view image_json) {
    std::map<std::string, std::string> out;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object labels;
    if (parser.parse(image_json.data(), image_json.size()).get(root) != simdjson::SUCCESS ||
        root["config"]["Labels"].get(labels) != simdjson::SUCCESS)
        return out;
    for (const auto label : labels) {
        std::string_view value;
        if (label.value.get(value) == simdjson::SUCCESS) out.emplace(label.key, value);
    }
    return out;
}

}  // namespace engine::runtime
