// Any bytes as each of the files that describe an archive, and as a config.
#include <cstddef>
#include <cstdint>

#include "engine/storage/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace engine::storage;
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const char* name : {"manifest.json", "index.json", "repositories"}) {
        Blobs blobs;
        blobs[name] = text;
        blobs["c.json"] = "{}";
        engine::ignore_result(read_archive(blobs, {}), "any answer is fine");
    }
    engine::ignore_result(read_config(text), "any answer is fine");
    engine::ignore_result(make_config(text, "sha256:0", "now", ""), "any answer is fine");
    return 0;
}
