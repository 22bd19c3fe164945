// Images: what there is, what it is called, which layers it stands on. The only writer of the layers, images and tags
// tables and of DATA/layers. Foreign archives are taken apart in worker processes; the loop only renames and commits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/event.h"
#include "engine/reactor/scope.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/database.h"
#include "engine/storage/reference.h"
#include "engine/storage/registry_manifest.h"
#include "engine/storage/storage_backend.h"
#include "engine/storage/tree_remover.h"

namespace engine::reactor {
class ChildProcess;
}

namespace engine::storage {

struct ChildConfig;
struct SavedImage;

struct Image {
    std::string id;                // sha256:<hex>
    std::string parent;            // the image it was committed on top of, ""
    std::string config;            // the image's JSON, exact bytes
    std::vector<ChainLink> chain;  // bottom first
    std::vector<std::string> diff_ids;
    std::vector<int64_t> layer_sizes;
    std::vector<std::string> tags;     // familiar, sorted: "busybox:latest"
    std::vector<std::string> digests;  // familiar: "busybox@sha256:..."; an image that was never in a registry has none
    int64_t size = 0;                  // bytes, all layers
    int64_t loaded_at = 0;             // ns since 1970
    int64_t tagged_at = 0;             // by a client's tag or import; 0: never
};

struct RemovedItem {
    bool untagged = false;  // else deleted
    std::string name;       // "busybox:latest" or "sha256:..."
};

struct ContainerUse {
    std::string container_id;
    bool running = false;
};
// Who uses an image: asked when one is to be removed.
using UsersOf = std::function<std::vector<ContainerUse>(std::string_view image_id)>;

// One of: load, import, save, tag, untag, delete.
struct ImageEvent {
    std::string id;
    std::string name;    // of a tag: the reference, else the id
    std::string config;  // "" once the image is gone
};
using ImageEventHandler = std::function<void(std::string_view action, const ImageEvent& event)>;

struct PruneReport {
    std::vector<RemovedItem> removed;
    int64_t reclaimed = 0;  // bytes of the layers that went
};

// A container's changes as a layer that no row names yet.
struct PendingCommit {
    std::string parent;  // image
    std::string folder;  // under DATA/tmp
    std::optional<LoadedLayer> layer;
};

struct NewLayer {
    std::string diff_id;
    int64_t tar_bytes = 0;
};

struct LoadResult {
    std::vector<NewLayer> layers;     // those that were not there yet
    std::vector<std::string> ids;     // of the images
    std::vector<std::string> loaded;  // "Loaded image: busybox:latest", "Loaded image ID: sha256:..."
};

// An image as a registry gave it.
struct PulledImage {
    LoadedImage image;  // config and layers; their folders are below DATA/tmp, "" for those that were there
    Reference reference;
    std::string listed_digest;  // of what the tag names: an index, or the image's manifest
    ManifestRow manifest;
    std::vector<Descriptor> layers;
};

struct PushableLayer {
    std::string diff_id;
    std::string folder;           // DATA/layers/<n>
    bool kept = false;            // folder/blob is what goes; else an archive is made of the split
    std::optional<BlobRow> blob;  // what goes, as far as it is known
    int64_t tar_bytes = 0;
    std::vector<std::string> sources;  // repositories that hold the blob
};

struct PushableImage {
    std::string id;
    std::string config;
    std::vector<PushableLayer> layers;
    std::optional<ManifestRow> manifest;  // what it came or went with last
};

struct PushedLayer {
    std::string diff_id;
    bool kept = false;
    BlobRow blob;
};

struct PushedImage {
    Reference reference;
    ManifestRow manifest;
    std::vector<PushedLayer> layers;
};

class ImageStore {
public:
    struct Options {
        std::string data_root;    // absolute
        std::string worker_path;  // the dockercd binary
        Nanoseconds remover_lingers = 3 * second;  // with nothing to delete
    };
    // Reconciles: tmp is emptied, layer and container folders that no row names are removed, rows whose files are
    // missing are reported in problems() and their images are not listed until a load brings the files again. db and
    // backend outlive the store.
    static Result<std::unique_ptr<ImageStore>> open(Options options, Database& db, StorageBackend& backend);
    // What runs in the background (removal of trees) belongs to this scope: join it before the store dies.
    reactor::Scope& scope() { return scope_; }
    const std::vector<std::string>& problems() const { return problems_; }

    // A docker-save or OCI archive, plain, gzip or zstd.
    Task<LoadResult> load(ByteSource& body, reactor::StopToken stop = {});
    // A root filesystem tar becomes an image of one layer; config is the image's JSON without rootfs and history, as an
    // object's text. The new image's id; tagged when reference is not empty.
    Task<std::string> import(ByteSource& body, std::string config, std::string message, std::string reference,
                             reactor::StopToken stop = {});

    void on_event(ImageEventHandler handler) { event_handler_ = std::move(handler); }

    std::vector<Image> list() const;
    size_t count() const { return images_.size(); }
    // By name[:tag], name@digest (of a registry), id or a prefix of it.
    Result<Image> find(std::string_view name) const;
    Result<void> tag(std::string_view image, std::string_view reference);
    // Without force: refused in dockerd's words while a container or another name needs it. prune: parents without a
    // name that nothing else needs go, too.
    Result<std::vector<RemovedItem>> remove(std::string_view name, bool force, bool prune, const UsersOf& users);
    // Every wanted image that nothing uses; with its names only when they are not tags, unless `tagged_too`.
    PruneReport prune(bool tagged_too, const std::function<bool(const Image&)>& wanted, const UsersOf& users);
    bool has_children(std::string_view id) const;
    // What it was committed on, and what that was, nearest first.
    std::vector<Image> ancestors(std::string_view id) const;

    // A commit in two halves: between them a paused container may go on.
    Task<PendingCommit> begin_commit(std::string container_id, std::string image_id, reactor::StopToken stop = {});
    Result<std::string> end_commit(PendingCommit pending, ChildConfig child, const std::string& reference);
    void drop_commit(PendingCommit pending);
    // What the container has changed, as the API lists it: JSON.
    Task<std::string> changes(std::string container_id, std::string image_id, reactor::StopToken stop = {});

    // An archive of images that is about to come; their layers stay until it is let go of.
    struct Saving;
    struct CloseSaving {
        ImageStore* store = nullptr;
        void operator()(Saving* saving) const;
    };
    using SavingPtr = std::unique_ptr<Saving, CloseSaving>;
    Task<SavingPtr> begin_save(std::vector<std::string> names, reactor::StopToken stop = {});
    Task<void> save(Saving* saving, ByteSink* sink, reactor::StopToken stop = {});

    int64_t layers_size() const;                     // every layer once
    int64_t shared_size(std::string_view id) const;  // bytes in layers that other images use too

    // The backend's plan, with the copy worker run where the backend needs one.
    Task<RootfsPlan> prepare_rootfs(std::string container_id, std::string image_id, reactor::StopToken stop = {});
    // Where the container's files are; makes nothing.
    RootfsPlan rootfs_of(std::string_view container_id, std::string_view image_id) const;
    // Bytes of the files that the container's own layer holds (its whole tree where layers are copied).
    Task<int64_t> rootfs_size(std::string container_id, std::string image_id, reactor::StopToken stop = {});
    // Renames the container's folder away and deletes it in the background.
    Result<void> remove_rootfs(std::string_view container_id);
    // A container holds its image's layers even when the image is removed by force, and over a restart.
    void hold(std::string_view image_id);
    void release(std::string_view image_id);
    // A tree that nothing names any more, deleted in the background; one that is not there is no matter.
    void discard(std::string path);

    // For transfers from and to registries (image_registry.cc). new_folder: a name in DATA/tmp, not made.
    std::string new_folder(std::string_view purpose);
    bool has_image(std::string_view id) const;
    bool has_layer(std::string_view chain_id) const;
    // What comes on `input` into folder/0 (tar_split.h). The folder is made here and discarded by the caller.
    Task<LoadedLayer> unpack_layer_from(UniqueFd input, std::string folder, reactor::StopToken stop);
    // conflict: a layer that was there is no more. Whether an image or a tag is new.
    Result<bool> commit_pulled(const PulledImage& pulled);
    Result<PushableImage> pushable(std::string_view reference);
    std::vector<std::string> tags_of_name(const Reference& name) const;
    Result<void> record_push(const PushedImage& pushed);
    // A gzip archive of the layer, the same bytes each time.
    Task<void> write_layer_archive(std::string folder, UniqueFd output, reactor::StopToken stop);

private:
    ImageStore(Options options, Database& db, StorageBackend& backend);
    Result<void> read_rows();
    Result<void> reconcile();
    Result<void> in_transaction(const std::function<Result<void>()>& work);
    std::string set_layer_aside(int64_t number);
    Result<void> use_tag(const std::string& reference, const std::string& id);
    Task<std::vector<LoadedImage>> unpack(std::string verb, ByteSource* body, std::string folder,
                                          reactor::StopToken stop);
    void begin_sweep();
    Task<void> sweep();
    Result<bool> name_pulled(const PulledImage& pulled, const std::string& id);
    static std::string now_text();
    std::vector<std::string> tree_arguments(std::string_view container_id, std::string_view image_id) const;
    // What a worker reads and writes. Descriptors are closed here once it has them.
    struct WorkerEnds {
        ByteSource* body = nullptr;
        UniqueFd input, output;
    };
    // The record that a worker answers, when it is not an error.
    Task<std::string> answer_of(std::vector<std::string> arguments, WorkerEnds ends, reactor::StopToken stop);
    Task<LoadedImage> commit_tree(std::string folder, std::string container_id, std::string image_id,
                                  reactor::StopToken stop);
    Result<void> add_saved(std::vector<SavedImage>& out, const std::string& id, const std::string& reference);
    Result<std::vector<SavedImage>> saved_images(const std::vector<std::string>& names, std::vector<std::string>& ids);
    Result<std::string> commit_image(const LoadedImage& image, const std::string& folder, std::vector<NewLayer>* made);
    Result<void> commit_loaded(const std::vector<LoadedImage>& images, const std::string& folder, LoadResult& out);
    Result<void> delete_image(const std::string& id, std::vector<RemovedItem>& out);
    Result<void> collect_layers(std::vector<RemovedItem>* out);
    Result<void> untag(const std::string& reference, std::vector<RemovedItem>& out);
    // Why the image stays; `soft` ones give way to force.
    enum Conflict : unsigned {
        by_child = 1,
        by_running = 2,
        by_name = 4,
        by_stopped = 8,
        by_hard = by_child | by_running,
        by_soft = by_name | by_stopped
    };
    struct Refusal {
        std::string message;
        bool used = false;
    };
    std::optional<Refusal> refusal(const std::string& id, unsigned asked, const UsersOf& users) const;
    Result<void> delete_unless_named(const std::string& id, bool prune, bool force, const UsersOf& users,
                                     std::vector<RemovedItem>& out);
    Result<void> delete_unless(const std::string& id, bool force, bool prune, bool quiet, const UsersOf& users,
                               std::vector<RemovedItem>& out);
    void tell(std::string_view action, const std::string& id, const std::string& name) const;
    Result<std::string> resolve(std::string_view name) const;
    Result<void> remember_tag_time(const std::string& id);
    Image describe(const ImageRow& row) const;
    std::vector<const LayerRow*> chain_of(int64_t top) const;              // bottom first
    bool is_whole(int64_t top) const;                                      // every layer of the chain has its files
    std::optional<int64_t> top_layer_of(std::string_view image_id) const;  // of a removed one, too
    std::vector<std::string> references_of(std::string_view id) const;

    Options options_;
    Database& db_;
    StorageBackend& backend_;
    ImageEventHandler event_handler_;
    reactor::Scope scope_{"images"};
    std::map<int64_t, LayerRow> layers_;
    std::map<std::string, int64_t, std::less<>> layer_of_chain_;
    std::map<std::string, ImageRow, std::less<>> images_;
    std::map<std::string, std::string, std::less<>> tags_;  // reference -> image id
    std::map<std::string, int64_t, std::less<>> tag_times_;
    std::map<std::string, std::string, std::less<>> parents_;  // image id -> the image it was committed on
    std::map<std::string, std::pair<int, int64_t>, std::less<>> held_;  // image id -> containers, its top layer
    std::map<std::string, int64_t, std::less<>> ghosts_;  // removed images that containers stand on -> top layer
    std::map<std::string, int64_t, std::less<>> lost_;    // chain id -> number of a layer whose files are gone
    std::vector<std::string> problems_;
    std::vector<std::string> trash_;  // trees that nothing names any more
    reactor::Event trash_came_;
    TreeRemover remover_;
    bool sweeping_ = false;
    uint64_t jobs_ = 0;
};

}  // namespace engine::storage
