// What a registry says: challenges, manifests, indexes. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/storage/registry_challenge.h"
#include "engine/storage/registry_job.h"
#include "engine/storage/registry_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::storage;
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            static_cast<void>(parse_challenges(text).has_value());
            break;
        case 1: {
            const auto parsed = parse_registry_manifest(text, media::oci_index, "fuzz:1");
            if (parsed && parsed->is_index) static_cast<void>(choose_manifest(*parsed, host_platform()).has_value());
            if (parsed && !parsed->is_index) static_cast<void>(make_docker_manifest(parsed->config, parsed->layers));
            break;
        }
        case 2:
            static_cast<void>(parse_registry_auth(text).empty());
            static_cast<void>(parse_registry_config(text, "docker.io").empty());
            break;
        default:
            static_cast<void>(parse_platform(text).has_value());
            break;
    }
    return 0;
}
