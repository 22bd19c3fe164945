// Images become one archive that every client reads: an OCI layout (blobs, index.json, oci-layout) that also holds
// docker's manifest.json and repositories. Written in one pass; layers are packed while they leave. Blocking.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/reactor/json_writer.h"
#include "engine/storage/tar_writer.h"

namespace engine::storage {

struct SavedLayer {
    int64_t number = 0;     // its folder
    int64_t tar_bytes = 0;  // of its archive; 0: not known
    std::string diff_id;
};

struct SavedImage {
    std::string config;             // exact bytes
    std::vector<std::string> tags;  // whole: docker.io/library/busybox:latest
    std::vector<SavedLayer> layers;
};

std::string encode_plan(const std::vector<SavedImage>& images);
Result<std::vector<SavedImage>> decode_plan(std::string_view text);

class ArchiveSaver {
public:
    // layers: the descriptor of DATA/layers, borrowed.
    ArchiveSaver(std::vector<SavedImage> images, int layers) : images_(std::move(images)), layers_(layers) {}
    // Looks at every layer: how long its archive will be, and whether it comes out as its diff id. What can fail before
    // the first byte fails here.
    Result<void> measure();
    // Layers without a record of their archive that are written otherwise than they came: their images are saved with
    // the digests of what is written, under an id of their own.
    const std::vector<std::string>& changed() const { return changed_; }
    Result<void> write(TarSink& sink);

private:
    struct Blob {
        std::string name;  // its sha256 in hex
        std::string text;  // or
        int64_t layer = 0;
        bool recorded = false;
        uint64_t size = 0;
    };
    // The small files of the archive while they are written.
    struct Listings {
        json::Writer index, manifest;
        std::map<std::string, std::map<std::string, std::string>> repositories;
    };
    struct Described {
        std::string manifest;            // of the OCI layout
        std::vector<std::string> paths;  // the layers in docker's
        std::string sources;
    };
    Described describe_layers(const SavedImage& image, const std::string& id) const;
    void describe_image(const SavedImage& image, Listings& listings);
    void describe();
    static std::vector<Blob>::const_iterator place_of(const std::vector<Blob>& blobs, const std::string& name);
    void add_blob(Blob blob);
    void add_text(const std::string& digest, std::string text);
    uint64_t size_of(const std::string& digest) const;
    Result<std::string> add_layer(const SavedLayer& layer);
    Result<void> write_layer(TarSink& sink, const Blob& blob);

    std::vector<SavedImage> images_;
    int layers_;
    std::vector<Blob> blobs_;  // sorted by name
    std::vector<std::string> changed_;
    std::string index_, manifest_, repositories_;
};

}  // namespace engine::storage
