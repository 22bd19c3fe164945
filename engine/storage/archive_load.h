// An image archive, streamed: every layer in it is unpacked while it passes, the small files are kept in memory, and at
// the end the archive says which layer is whose. Blocking; runs in a confined worker.
#pragma once

#include <string>
#include <vector>

#include "engine/storage/layer_unpack.h"

namespace engine::storage {

struct LoadedLayer {
    std::string folder;  // under the worker's folder: "0", "1", ...; holds what tar_split.h says
    std::string diff_id;
    int64_t size = 0;       // bytes of its files
    int64_t tar_bytes = 0;  // of the uncompressed archive
    std::string blob_digest;  // of the compressed archive, when that is kept in the folder
    int64_t blob_size = 0;
};

struct LoadedImage {
    std::string config;  // exact bytes, diff ids checked against the layers
    std::vector<std::string> tags;
    std::vector<LoadedLayer> layers;  // bottom first
};

// folder: where the layers' folders are made, borrowed.
Result<std::vector<LoadedImage>> load_archive(BlockingSource& source, int folder);

// The record a worker writes: {"images":[...]} or {"error":...,"kind":n,"errno":n}.
std::string encode_images(const std::vector<LoadedImage>& images);
std::string encode_error(const Error& error);
// The error that a worker's record tells, if it tells one.
Result<void> error_of(std::string_view record);
// A worker's error comes back as the error.
Result<std::vector<LoadedImage>> decode_images(std::string_view record);
std::string encode_size(int64_t size);
Result<int64_t> decode_size(std::string_view record);

}  // namespace engine::storage
