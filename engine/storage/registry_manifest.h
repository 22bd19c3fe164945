// What a registry says about an image: OCI and Docker manifests and indexes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

namespace media {
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
}  // namespace media

struct Descriptor {
    std::string media_type;
    std::string digest;
    int64_t size = 0;
};

struct Platform {
    std::string os = "linux";
    std::string architecture;
    std::string variant;
    std::string text() const;  // "linux/arm64/v8"
};
Platform host_platform();
// os[/architecture[/variant]], or an architecture alone; names as Docker normalizes them. "" is the host's.
Result<Platform> parse_platform(std::string_view text);
// arm64 and arm64/v8 are the same, x86_64 is amd64, and so on.
Platform normalized(Platform platform);

struct IndexEntry {
    Descriptor descriptor;
    std::optional<Platform> platform;
    bool attestation = false;
};

struct RegistryManifest {
    std::string media_type;
    bool is_index = false;
    Descriptor config;                // of an image
    std::vector<Descriptor> layers;   // of an image, bottom first
    std::vector<IndexEntry> entries;  // of an index
};

// content_type: what the answer's header said; the body's own mediaType wins. Schema 1 is refused by name, and what is
// neither image nor index.
Result<RegistryManifest> parse_registry_manifest(std::string_view body, std::string_view content_type,
                                                 std::string_view name);
// not_found: "no matching manifest for linux/arm64/v8 in the manifest list entries".
Result<Descriptor> choose_manifest(const RegistryManifest& index, const Platform& wanted);
// Schema 2, as docker push writes it.
std::string make_docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers);

}  // namespace engine::storage
