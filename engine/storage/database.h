// The engine's state on disk: one SQLite database (WAL, synchronous=OFF: an acknowledged change survives kill -9 of the
// engine, not a power cut). Called on the loop: nothing here waits for the disk. Rows only; meaning lives above.
// A write that finds the disk full is tried again with room from a reserve beside the database, so that what frees the
// disk can be written down. Times are nanoseconds since 1970. A database that cannot be read is kept aside as
// state.db.corrupt-<seconds>.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/storage/reserve_file.h"

struct sqlite3;
struct sqlite3_stmt;

namespace engine::storage {

struct LayerRow {
    int64_t number = 0;    // layers/<number>
    std::string chain_id;  // unique
    std::string diff_id;
    int64_t parent = 0;  // number of the layer below, 0 = none
    int64_t size = 0;    // bytes of the regular files in it
    std::string blob_digest;  // of layers/<number>/blob; "" when the layer has a split instead
    int64_t blob_size = 0;
    int64_t tar_bytes = 0;  // of its uncompressed archive; 0: not known
};

struct ImageRow {
    std::string id;         // sha256:<hex> of the config
    std::string config;     // exact bytes
    int64_t top_layer = 0;  // 0 = an image with no layers
    int64_t loaded_at = 0;
};

struct TagRow {
    std::string reference;  // docker.io/library/busybox:latest
    std::string image_id;
};

struct TagTimeRow {
    std::string image_id;
    int64_t at = 0;
};

struct GhostRow {
    std::string image_id;
    int64_t top_layer = 0;
};

// The exact manifest an image was last pulled or pushed with.
struct ManifestRow {
    std::string image_id;
    std::string digest;
    std::string media_type;
    std::string body;
};

// A compressed archive of a layer, as a registry holds it.
struct BlobRow {
    std::string digest;
    int64_t size = 0;
};

struct NetworkRow {
    std::string id;
    std::string json;
};

struct ParentRow {
    std::string image_id;
    std::string parent_id;
};

struct ContainerRow {
    std::string id;
    std::string name;
    std::string json;   // what create was asked; written once or rarely
    std::string state;  // what changes at each start and exit
};

class Database {
public:
    static constexpr int schema_version = 1;

    // An unreadable file is moved aside and the error says so: opening again then starts empty. A newer schema is
    // refused by name and left as it is.
    static Result<std::unique_ptr<Database>> open(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Group commit; nested begins are counted, the outermost commit or rollback decides. A commit that finds the disk
    // full is rolled back and has made room: the whole may be tried once more.
    Result<void> begin();
    Result<void> commit();
    void rollback();

    Result<int64_t> next_layer_number();  // never handed out twice
    Result<void> put_layer(const LayerRow& row);
    Result<void> delete_layer(int64_t number);
    Result<std::vector<LayerRow>> layers();

    Result<void> put_image(const ImageRow& row);
    Result<void> delete_image(std::string_view id);
    Result<std::vector<ImageRow>> images();

    Result<void> put_tag(const TagRow& row);  // moves the tag when it exists
    Result<void> delete_tag(std::string_view reference);
    Result<std::vector<TagRow>> tags();
    // An image that was removed while containers stand on its layers.
    Result<void> put_ghost(std::string_view image_id, int64_t top_layer);
    Result<void> delete_ghost(std::string_view image_id);
    Result<std::vector<GhostRow>> ghosts();
    // The image that this one was committed on top of.
    Result<void> put_parent(std::string_view image_id, std::string_view parent_id);
    Result<void> delete_parent(std::string_view image_id);
    Result<std::vector<ParentRow>> parents();
    // When a client last gave the image a name.
    Result<void> put_tag_time(std::string_view image_id, int64_t at);
    Result<void> delete_tag_time(std::string_view image_id);
    Result<std::vector<TagTimeRow>> tag_times();

    Result<void> put_manifest(const ManifestRow& row);  // one for each image
    Result<std::optional<ManifestRow>> manifest(std::string_view image_id);
    // What our compressor made of a layer when it was pushed.
    Result<void> put_pushed_blob(std::string_view diff_id, const BlobRow& blob);
    Result<std::optional<BlobRow>> pushed_blob(std::string_view diff_id);
    // Repositories ("localhost:5000/name") that hold a blob, newest first: where a push may mount it from.
    Result<void> put_blob_source(std::string_view digest, std::string_view repository, int64_t at);
    Result<std::vector<std::string>> blob_sources(std::string_view digest);
    Result<void> forget_blobs_unused();  // rows about blobs of layers that are gone

    Result<void> put_container(const ContainerRow& row);  // inserts or replaces
    Result<void> set_container_state(std::string_view id, std::string_view state);
    Result<void> set_container_name(std::string_view id, std::string_view name);
    Result<void> delete_container(std::string_view id);
    Result<std::vector<ContainerRow>> containers();
    Result<std::vector<std::string>> container_ids();

    Result<void> put_network(const NetworkRow& row);
    Result<void> delete_network(std::string_view id);
    Result<std::vector<NetworkRow>> networks();  // as made

    Result<std::optional<std::string>> meta(std::string_view key);
    Result<void> set_meta(std::string_view key, std::string_view value);

private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    struct Bound;
    Result<sqlite3_stmt*> prepared(const char* sql);
    Result<void> run(const char* sql, std::initializer_list<Bound> values);
    Result<void> step(const char* sql, std::initializer_list<Bound> values);
    bool make_room();
    Result<void> execute(const char* sql);
    Error failure(std::string_view what) const;

    sqlite3* handle_;
    std::unique_ptr<ReserveFile> reserve_;
    std::map<const char*, sqlite3_stmt*> statements_;  // by the literal's address
    int depth_ = 0;
};

}  // namespace engine::storage
