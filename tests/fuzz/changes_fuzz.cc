// Dockerfile instructions of an import: any text gives a config that is JSON, or an error.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>

#include "engine/storage/config_changes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string changes[] = {std::string(reinterpret_cast<const char*>(data), size)};
    const auto config = engine::storage::config_of_changes(changes);
    if (!config) return 0;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(*config).get(root) != simdjson::SUCCESS || !root.is_object()) std::abort();
    return 0;
}
