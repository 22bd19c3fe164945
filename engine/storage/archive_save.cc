#include "engine/storage/archive_save.h"

#include <fcntl.h>
#include <simdjson.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/digest.h"
#include "engine/storage/layer_record.h"
#include "engine/storage/reference.h"
#include "engine/storage/tree_pack.h"

namespace engine::storage {
namespace {

constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";

std::string blob_path(std::string_view digest) { return "blobs/sha256/" + std::string(digest.substr(7)); }

// {"architecture":...,"os":...}: of the config, as index.json tells it.
std::string platform_of(const std::string& config) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    json::Writer w;
    w.begin_object();
    if (parser.parse(config.data(), config.size()).get(root) == simdjson::SUCCESS) {
        for (const char* key : {"architecture", "os", "os.version", "variant"}) {
            std::string_view value;
            if (root[key].get(value) == simdjson::SUCCESS && !value.empty()) w.field(key, value);
        }
    }
    return w.end_object().take();
}

void descriptor(json::Writer& w, std::string_view type, std::string_view digest, uint64_t size) {
    w.field("mediaType", type).field("digest", digest).field("size", size);
}

Result<UniqueFd> open_layer(int layers, int64_t number) {
    UniqueFd fd(::openat(layers, std::to_string(number).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "open layer " + std::to_string(number));
    return fd;
}

Result<void> pack_tree(int layer, TarSink& sink) {
    const UniqueFd tree(::openat(layer, "fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!tree) return fail_errno(errno, "open a layer's files");
    return pack_layer(tree.get(), sink);
}

Result<void> folder_entry(TarWriter& tar, const std::string& path) {
    TarEntry entry;
    entry.path = path;
    entry.type = TarType::directory;
    entry.mode = 0755;
    return tar.begin(entry);
}

// Passes on what fits: an archive that turns out longer than its header said must not run into the next entry.
class LimitedSink : public TarSink {
public:
    LimitedSink(TarWriter& tar, uint64_t left) : tar_(tar), left_(left) {}
    Result<void> write(std::string_view bytes) override {
        if (bytes.size() > left_) return fail(ErrorKind::internal, "the layer has changed while it was saved");
        left_ -= bytes.size();
        return tar_.data(bytes);
    }
    uint64_t left() const { return left_; }

private:
    TarWriter& tar_;
    uint64_t left_;
};

}  // namespace

std::string encode_plan(const std::vector<SavedImage>& images) {
    json::Writer w;
    w.begin_array();
    for (const auto& image : images) {
        w.begin_object().field("config", image.config).field("tags", image.tags).key("layers").begin_array();
        for (const auto& layer : image.layers)
            w.begin_object().field("number", layer.number).field("tar_bytes", layer.tar_bytes)
                .field("diff_id", layer.diff_id).end_object();
        w.end_array().end_object();
    }
    return w.end_array().take();
}

Result<std::vector<SavedImage>> decode_plan(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::array list;
    const auto malformed = [] { return fail(ErrorKind::internal, "the plan of a save is malformed"); };
    if (parser.parse(text.data(), text.size()).get(list) != simdjson::SUCCESS) return malformed();
    std::vector<SavedImage> out;
    for (const auto item : list) {
        SavedImage image;
        std::string_view config;
        simdjson::dom::array tags;
        simdjson::dom::array layers;
        if (item["config"].get(config) != simdjson::SUCCESS || item["tags"].get(tags) != simdjson::SUCCESS ||
            item["layers"].get(layers) != simdjson::SUCCESS)
            return malformed();
        image.config = config;
        for (const auto tag : tags) {
            std::string_view word;
            if (tag.get(word) != simdjson::SUCCESS) return malformed();
            image.tags.emplace_back(word);
        }
        for (const auto one : layers) {
            SavedLayer layer;
            std::string_view diff_id;
            if (one["number"].get(layer.number) != simdjson::SUCCESS ||
                one["tar_bytes"].get(layer.tar_bytes) != simdjson::SUCCESS ||
                one["diff_id"].get(diff_id) != simdjson::SUCCESS || !is_digest(diff_id))
                return malformed();
            layer.diff_id = diff_id;
            image.layers.push_back(std::move(layer));
        }
        out.push_back(std::move(image));
    }
    return out;
}

auto ArchiveSaver::place_of(const std::vector<Blob>& blobs, const std::string& name)
    -> std::vector<Blob>::const_iterator {
    return std::lower_bound(blobs.begin(), blobs.end(), name,
                            [](const Blob& have, const std::string& wanted) { return have.name < wanted; });
}

void ArchiveSaver::add_blob(Blob blob) {
    const auto at = place_of(blobs_, blob.name);
    if (at == blobs_.end() || at->name != blob.name) blobs_.insert(at, std::move(blob));
}

void ArchiveSaver::add_text(const std::string& digest, std::string text) {
    Blob blob;
    blob.name = digest.substr(7);
    blob.size = text.size();
    blob.text = std::move(text);
    add_blob(std::move(blob));
}

uint64_t ArchiveSaver::size_of(const std::string& digest) const {
    const std::string name = digest.substr(7);
    const auto at = place_of(blobs_, name);
    return at == blobs_.end() || at->name != name ? 0 : at->size;
}

// The digest it has in the archive.
Result<std::string> ArchiveSaver::add_layer(const SavedLayer& layer) {
    TRY(const UniqueFd folder, open_layer(layers_, layer.number));
    Blob blob;
    blob.layer = layer.number;
    blob.recorded = has_record(folder.get());
    if (blob.recorded && layer.tar_bytes > 0) {  // written as it came, or not at all
        blob.name = layer.diff_id.substr(7);
        blob.size = static_cast<uint64_t>(layer.tar_bytes);
        add_blob(std::move(blob));
        return layer.diff_id;
    }
    HashingSink hashing;
    if (blob.recorded) {
        TRY_VOID(write_layer_tar(folder.get(), hashing));
    } else {
        TRY_VOID(pack_tree(folder.get(), hashing));
    }
    const std::string digest = hashing.finish();
    blob.name = digest.substr(7);
    blob.size = hashing.bytes();
    add_blob(std::move(blob));
    if (digest != layer.diff_id) changed_.push_back(layer.diff_id);
    return digest;
}

Result<void> ArchiveSaver::measure() {
    std::map<int64_t, std::string> known;
    for (auto& image : images_) {
        for (auto& layer : image.layers) {
            auto& digest = known[layer.number];
            if (digest.empty()) {
                TRY(digest, add_layer(layer));
            }
            if (digest == layer.diff_id) continue;
            for (size_t at = image.config.find(layer.diff_id); at != std::string::npos;
                 at = image.config.find(layer.diff_id, at + digest.size()))
                image.config.replace(at, layer.diff_id.size(), digest);
            layer.diff_id = digest;
        }
    }
    describe();
    return {};
}

// What docker's manifest.json says of an image's layers, and the image's own OCI manifest.
ArchiveSaver::Described ArchiveSaver::describe_layers(const SavedImage& image, const std::string& id) const {
    Described out;
    json::Writer own;
    own.begin_object().field("schemaVersion", 2).field("mediaType", oci_manifest).key("config").begin_object();
    descriptor(own, oci_config, id, image.config.size());
    own.end_object().key("layers").begin_array();
    json::Writer sources;
    sources.begin_object();
    for (const auto& layer : image.layers) {
        const uint64_t size = size_of(layer.diff_id);
        own.begin_object();
        descriptor(own, oci_layer, layer.diff_id, size);
        own.end_object();
        const std::string path = blob_path(layer.diff_id);
        if (std::find(out.paths.begin(), out.paths.end(), path) == out.paths.end()) {
            sources.key(layer.diff_id).begin_object();
            descriptor(sources, oci_layer, layer.diff_id, size);
            sources.end_object();
        }
        out.paths.push_back(path);
    }
    out.manifest = own.end_array().end_object().take();
    out.sources = sources.end_object().take();
    return out;
}

void ArchiveSaver::describe_image(const SavedImage& image, Listings& listings) {
    const std::string id = sha256_of(image.config);
    Described described = describe_layers(image, id);
    const std::string digest = sha256_of(described.manifest);
    std::vector<std::string> familiar;
    const auto entry = [&](const Reference* reference) {
        listings.index.begin_object();
        descriptor(listings.index, oci_manifest, digest, described.manifest.size());
        if (reference != nullptr) {
            listings.index.key("annotations").begin_object().field("io.containerd.image.name", reference->text());
            listings.index.field("org.opencontainers.image.ref.name", reference->tag).end_object();
        }
        listings.index.field_raw("platform", platform_of(image.config)).end_object();
    };
    for (const auto& tag : image.tags) {
        const auto reference = parse_reference(tag);
        if (!reference) continue;
        familiar.push_back(reference->familiar());
        entry(&*reference);
        if (!image.layers.empty())
            listings.repositories[reference->familiar_name()][reference->tag] = image.layers.back().diff_id.substr(7);
    }
    if (familiar.empty()) entry(nullptr);
    listings.manifest.begin_object().field("Config", blob_path(id)).key("RepoTags");
    if (familiar.empty()) {
        listings.manifest.null();
    } else {
        listings.manifest.value(familiar);
    }
    listings.manifest.field("Layers", described.paths).field_raw("LayerSources", described.sources).end_object();
    add_text(id, image.config);
    add_text(digest, std::move(described.manifest));
}

void ArchiveSaver::describe() {
    Listings listings;
    listings.index.begin_object().field("schemaVersion", 2).field("mediaType", oci_index);
    listings.index.key("manifests").begin_array();
    listings.manifest.begin_array();
    for (const auto& image : images_) describe_image(image, listings);
    index_ = listings.index.end_array().end_object().take();
    manifest_ = listings.manifest.end_array().take() + "\n";
    if (listings.repositories.empty()) return;
    json::Writer w;
    w.begin_object();
    for (const auto& [name, tags] : listings.repositories) w.field(name, tags);
    repositories_ = w.end_object().take() + "\n";
}

Result<void> ArchiveSaver::write_layer(TarSink& sink, const Blob& blob) {
    TRY(const UniqueFd folder, open_layer(layers_, blob.layer));
    TarWriter tar(sink);
    TarEntry entry;
    entry.path = "blobs/sha256/" + blob.name;
    entry.mode = 0644;
    entry.size = blob.size;
    TRY_VOID(tar.begin(entry));
    LimitedSink limited(tar, blob.size);
    HashingSink hashing(&limited);
    if (blob.recorded) {
        TRY_VOID(write_layer_tar(folder.get(), hashing));
    } else {
        TRY_VOID(pack_tree(folder.get(), hashing));
    }
    if (limited.left() != 0) return fail(ErrorKind::internal, "the layer has changed while it was saved");
    const std::string digest = hashing.finish();
    if (digest == "sha256:" + blob.name) return {};
    return fail(ErrorKind::internal, "the layer has changed while it was saved");
}

Result<void> ArchiveSaver::write(TarSink& sink) {
    TarWriter tar(sink);
    TRY_VOID(folder_entry(tar, "blobs/"));
    TRY_VOID(folder_entry(tar, "blobs/sha256/"));
    for (const auto& blob : blobs_) {
        if (blob.layer != 0) {
            TRY_VOID(write_layer(sink, blob));
        } else {
            TRY_VOID(tar.text("blobs/sha256/" + blob.name, blob.text));
        }
    }
    TRY_VOID(tar.text("index.json", index_));
    TRY_VOID(tar.text("manifest.json", manifest_));
    TRY_VOID(tar.text("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"));
    if (!repositories_.empty()) {
        TRY_VOID(tar.text("repositories", repositories_));
    }
    return tar.finish();
}

}  // namespace engine::storage
