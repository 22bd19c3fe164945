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

}  // namespace engine::runtime
