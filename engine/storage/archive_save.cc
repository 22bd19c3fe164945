#include "engine/storage/archive_save.h"

#include <fcntl.h>
#include <simdjson.h>

#include <algorithm>
#include <map>

#include "engine/reactor/json_writer.h"
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

void ArchiveSaver::add_blob(Blob blob) {
    const auto at = std::lower_bound(blobs_.begin(), blobs_.end(), blob.name,
                                     [](const Blob& have, const std::string& name) { return have.name < name; });
    if (at == blobs_.end() || at->name != blob.name) blobs_.insert(at, std::move(blob));
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

void ArchiveSaver::describe() {
    std::map<std::string, uint64_t> sizes;
    for (const auto& blob : blobs_) sizes["sha256:" + blob.name] = blob.size;
    std::map<std::string, std::map<std::string, std::string>> repositories;
    json::Writer index;
    json::Writer manifest;
    index.begin_object().field("schemaVersion", 2).field("mediaType", oci_index).key("manifests").begin_array();
    manifest.begin_array();
    for (const auto& image : images_) {
        const std::string id = sha256_of(image.config);
        const std::string platform = platform_of(image.config);
        json::Writer own;
        own.begin_object().field("schemaVersion", 2).field("mediaType", oci_manifest).key("config").begin_object();
        descriptor(own, oci_config, id, image.config.size());
        own.end_object().key("layers").begin_array();
        std::vector<std::string> paths;
        json::Writer sources;
        sources.begin_object();
        for (const auto& layer : image.layers) {
            own.begin_object();
            descriptor(own, oci_layer, layer.diff_id, sizes[layer.diff_id]);
            own.end_object();
            const std::string path = blob_path(layer.diff_id);
            if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
                sources.key(layer.diff_id).begin_object();
                descriptor(sources, oci_layer, layer.diff_id, sizes[layer.diff_id]);
                sources.end_object();
            }
            paths.push_back(path);
        }
        const std::string text = own.end_array().end_object().take();
        const std::string digest = sha256_of(text);
        std::vector<std::string> familiar;
        const auto entry = [&](const Reference* reference) {
            index.begin_object();
            descriptor(index, oci_manifest, digest, text.size());
            if (reference != nullptr) {
                index.key("annotations").begin_object().field("io.containerd.image.name", reference->text());
                index.field("org.opencontainers.image.ref.name", reference->tag).end_object();
            }
            index.field_raw("platform", platform).end_object();
        };
        for (const auto& tag : image.tags) {
            const auto reference = parse_reference(tag);
            if (!reference) continue;
            familiar.push_back(reference->familiar());
            entry(&*reference);
            if (!image.layers.empty())
                repositories[reference->familiar_name()][reference->tag] = image.layers.back().diff_id.substr(7);
        }
        if (familiar.empty()) entry(nullptr);
        manifest.begin_object().field("Config", blob_path(id)).key("RepoTags");
        if (familiar.empty()) {
            manifest.null();
        } else {
            manifest.value(familiar);
        }
        manifest.field("Layers", paths).field_raw("LayerSources", sources.end_object().take()).end_object();
        Blob config;
        config.name = id.substr(7);
        config.text = image.config;
        config.size = image.config.size();
        add_blob(std::move(config));
        Blob described;
        described.name = digest.substr(7);
        described.text = text;
        described.size = text.size();
        add_blob(std::move(described));
    }
    index_ = index.end_array().end_object().take();
    manifest_ = manifest.end_array().take() + "\n";
    if (repositories.empty()) return;
    json::Writer w;
    w.begin_object();
    for (const auto& [name, tags] : repositories) w.field(name, tags);
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
