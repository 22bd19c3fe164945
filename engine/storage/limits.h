// Every bound of this folder, with its unit. Foreign bytes that pass one are refused by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engine::storage::limits {

inline constexpr size_t tar_pax_bytes_max = 1 << 20;       // one pax header or GNU long name
inline constexpr size_t tar_path_bytes_max = 4096;         // PATH_MAX
inline constexpr size_t tar_sparse_extents_max = 1 << 16;  // extents of one sparse file
inline constexpr uint64_t tar_hole_bytes_min = 64 << 10;   // a file with fewer bytes in holes is written whole
inline constexpr uint64_t tar_entry_bytes_max = uint64_t{1} << 50;
inline constexpr size_t tar_buffer_bytes = 256 << 10;  // what the reader asks of its source at once
inline constexpr size_t xattrs_per_file_max = 128;
inline constexpr size_t xattr_value_bytes_max = 64 << 10;  // XATTR_SIZE_MAX
// What is unpacked may be this many times what the client sent, once it is more than may be unpacked from anything.
inline constexpr uint64_t decompression_ratio_max = 2000;
inline constexpr uint64_t decompressed_bytes_free = uint64_t{256} << 20;
inline constexpr size_t archive_names_max = 1 << 16;  // small files and links of one image archive
inline constexpr uint64_t worker_memory_bytes_max = uint64_t{1} << 30;
inline constexpr size_t json_blob_bytes_max = 8 << 20;    // one manifest or config in an archive
inline constexpr size_t json_blobs_bytes_max = 64 << 20;  // all of them together
inline constexpr size_t layers_per_image_max = 125;
inline constexpr size_t images_per_archive_max = 256;
inline constexpr size_t layers_per_archive_max = 2048;
inline constexpr size_t index_depth_max = 4;  // an index in an index in an index
inline constexpr size_t reference_name_bytes_max = 255;
inline constexpr size_t reference_tag_bytes_max = 128;
inline constexpr size_t worker_result_bytes_max = 96 << 20;
inline constexpr size_t tree_depth_max = 512;  // folders in folders when a tree is copied
inline constexpr size_t removal_depth = 128;   // folders open at once while a tree is removed
inline constexpr uint64_t zstd_window_log_max = 27;
inline constexpr size_t registry_manifest_bytes_max = 4 << 20;  // as registries bound it themselves
inline constexpr size_t index_entries_max = 1024;               // platforms of one index
inline constexpr size_t challenge_parameters_max = 64;          // of one WWW-Authenticate header
inline constexpr size_t registry_answer_bytes_max = 1 << 20;    // a token, an error's body, a page of names
inline constexpr size_t registry_header_bytes_max = 64 << 10;   // of one answer
inline constexpr int registry_redirects_max = 10;
inline constexpr int registry_attempts_max = 5;         // of one transfer that makes no progress
inline constexpr long registry_retry_after_max_s = 60;  // a longer Retry-After is an error at once
inline constexpr long registry_stall_s = 30;            // a transfer without a byte for so long is cut
inline constexpr long registry_connect_s = 30;
inline constexpr int64_t database_reserve_bytes = 1 << 20;        // kept back for a full disk: state.db.reserve
inline constexpr int64_t database_reserve_step_bytes = 64 << 10;  // given up at each write that finds it full
inline constexpr int layer_pipe_bytes = 1 << 20;        // between a process that has a layer and one that takes it
inline constexpr size_t registry_tags_max = 10000;      // pulled by `pull -a`

}  // namespace engine::storage::limits
