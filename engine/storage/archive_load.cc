#include "engine/storage/archive_load.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/decompress.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/manifest.h"
#include "engine/storage/tar_split.h"
#include "engine/storage/tree.h"

namespace engine::storage {
namespace {

// The bytes of the outer archive's current entry.
class EntrySource : public BlockingSource {
public:
    explicit EntrySource(TarReader& tar) : tar_(tar) {}
    Result<void> peek() {  // enough to tell what it is
        while (head_.size() < 512) {
            TRY(const auto more, tar_.chunk());
            if (more.empty()) break;
            if (head_.empty() && more.size() >= 512) {
                view_ = more;
                head_ = more.substr(0, 512);
                return {};
            }
            head_ += more;
        }
        view_ = head_;
        return {};
    }
    std::string_view head() const { return head_; }
    Result<size_t> read(std::span<char> into) override {
        if (view_.empty()) {
            TRY(view_, tar_.chunk());
            if (view_.empty()) return size_t{0};
        }
        const size_t size = std::min(into.size(), view_.size());
        std::memcpy(into.data(), view_.data(), size);
        view_.remove_prefix(size);
        return size;
    }
    uint64_t received() const override { return tar_.received(); }

private:
    TarReader& tar_;
    std::string head_;
    std::string_view view_;
};

bool is_layer(const TarEntry& entry, std::string_view head) {
    if (entry.path.ends_with(".json") || entry.path.ends_with("/json")) return false;
    if (sniff_compression(head) != Compression::none) return true;
    return looks_like_tar(head);
}

Result<std::string> link_target(const std::string& path, const TarEntry& entry) {
    if (entry.type == TarType::hard_link) return clean_path(entry.link);
    std::string base = path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    std::string_view link = entry.link;
    while (link.starts_with("../")) {
        if (base.empty()) return fail(ErrorKind::invalid, "invalid image archive: a link leads out of it");
        base = base.substr(0, base.rfind('/') == std::string::npos ? 0 : base.rfind('/'));
        link.remove_prefix(3);
    }
    return clean_path(base + "/" + std::string(link));
}

Result<void> clone_folder(int folder, const std::string& from, const std::string& to) {
    const UniqueFd source(::openat(folder, from.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd copy(::openat(folder, to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!source || !copy || ::mkdirat(copy.get(), "fs", 0755) != 0) return fail_errno(errno, "open layer folder");
    const UniqueFd tree(::openat(source.get(), "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd tree_copy(::openat(copy.get(), "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!tree || !tree_copy) return fail_errno(errno, "open layer folder");
    TRY_VOID(apply_layer(tree.get(), tree_copy.get(), true));
    return share_layer_record(source.get(), copy.get());
}

// What a very old archive lacks: its config says nothing about the layers it stands on.
Result<std::string> with_rootfs(std::string config, const std::vector<LoadedLayer>& layers) {
    const size_t end = config.find_last_of('}');
    if (end == std::string::npos) return fail(ErrorKind::invalid, "invalid image archive: the config is not an object");
    std::string extra = ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[";
    for (size_t i = 0; i < layers.size(); i++) extra += (i ? ",\"" : "\"") + layers[i].diff_id + "\"";
    extra += "]}";
    config.insert(end, extra);
    return config;
}

}  // namespace

namespace {

struct UnpackedEntry {
    LoadedLayer layer;
    std::string problem;  // why it is no layer; told when an image names it
};

class ArchiveLoader {
public:
    ArchiveLoader(BlockingSource& source, int folder) : tar_(source), folder_(folder) {}
    Result<void> read();
    Result<std::vector<LoadedImage>> images();

private:
    Result<void> keep_layer(const std::string& path, EntrySource& bytes, bool digest_known);
    Result<void> keep_text(const TarEntry& entry, const std::string& path, EntrySource& bytes);
    Result<std::string> new_folder();
    Result<LoadedImage> image(ArchiveImage described);
    Result<void> give_folders(LoadedImage& image);

    TarReader tar_;
    int folder_;
    size_t folders_ = 0;
    Blobs blobs_;
    Aliases aliases_;
    std::map<std::string, UnpackedEntry> layers_;
    size_t kept_bytes_ = 0;
    std::map<std::string, std::string> folder_of_chain_;
    std::set<std::string> taken_;
};

Result<std::string> ArchiveLoader::new_folder() {
    std::string name = std::to_string(folders_++);
    if (::mkdirat(folder_, name.c_str(), 0755) != 0) return fail_errno(errno, "create layer folder");
    return name;
}

// Once through the archive: what looks like a layer is unpacked, what is small is kept, what is neither is not ours.
Result<void> ArchiveLoader::read() {
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar_.next(entry));
        if (!more) break;
        TRY(const std::string path, clean_path(entry.path));
        if (blobs_.size() + aliases_.size() > limits::archive_names_max)
            return fail(ErrorKind::too_large, "invalid image archive: too many files (archive_names_max)");
        if (entry.type == TarType::symlink || entry.type == TarType::hard_link) {
            TRY(aliases_[path], link_target(path, entry));
            continue;
        }
        if (entry.type != TarType::file || entry.sparse) continue;
        const bool named_by_digest = path.starts_with("blobs/sha256/");
        EntrySource bytes(tar_);
        TRY_VOID(bytes.peek());
        if (!is_layer(entry, bytes.head())) {
            TRY_VOID(keep_text(entry, path, bytes));
            continue;
        }
        TRY_VOID(keep_layer(path, bytes, named_by_digest));
    }
    return tar_.drain();
}

Result<void> ArchiveLoader::keep_layer(const std::string& path, EntrySource& bytes, bool digest_known) {
    if (layers_.size() >= limits::layers_per_archive_max)
        return fail(ErrorKind::too_large, "invalid image archive: too many layers");
    UnpackedEntry kept;
    TRY(kept.layer.folder, new_folder());
    const UniqueFd root(::openat(folder_, kept.layer.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno(errno, "open layer folder");
    auto unpacked = unpack_layer_kept(bytes, root.get());
    if (unpacked) {
        kept.layer.diff_id = std::move(unpacked->diff_id);
        kept.layer.size = unpacked->size;
        kept.layer.tar_bytes = unpacked->tar_bytes;
        kept.layer.blob_digest = std::move(unpacked->blob_digest);
        kept.layer.blob_size = unpacked->blob_size;
        const std::string& digest = kept.layer.blob_digest.empty() ? kept.layer.diff_id : kept.layer.blob_digest;
        if (digest_known && digest != "sha256:" + path.substr(13)) kept.problem = path + " is not what its name says";
    } else if (unpacked.error().kind() == ErrorKind::invalid) {
        kept.problem = "unpack " + path + ": " + unpacked.error().message();
    } else {
        return fail(std::move(unpacked.error()).with_context("unpack " + path));
    }
    layers_[path] = std::move(kept);
    return {};
}

Result<void> ArchiveLoader::keep_text(const TarEntry& entry, const std::string& path, EntrySource& bytes) {
    if (entry.size > limits::json_blob_bytes_max) {
        if (path != "manifest.json" && path != "index.json" && path != "repositories") return {};
        return fail(ErrorKind::too_large, "invalid image archive: " + path + " has more than " +
                                              std::to_string(limits::json_blob_bytes_max) + " bytes");
    }
    kept_bytes_ += static_cast<size_t>(entry.size);
    if (kept_bytes_ > limits::json_blobs_bytes_max)
        return fail(ErrorKind::too_large, "invalid image archive: too many bytes of manifests");
    std::string text(static_cast<size_t>(entry.size), '\0');
    for (size_t at = 0; at < text.size();) {
        TRY(const size_t got, bytes.read({text.data() + at, text.size() - at}));
        if (got == 0) return fail(ErrorKind::invalid, "unexpected EOF");
        at += got;
    }
    blobs_[path] = std::move(text);
    return {};
}

// One folder for each chain: the same layer on another parent is another layer, and needs its own tree.
Result<void> ArchiveLoader::give_folders(LoadedImage& image) {
    std::string chain;
    for (auto& layer : image.layers) {
        chain = chain.empty() ? layer.diff_id : sha256_of(chain + " " + layer.diff_id);
        auto& folder = folder_of_chain_[chain];
        if (folder.empty()) {
            folder = layer.folder;
            if (!taken_.insert(layer.folder).second) {
                TRY(folder, new_folder());
                TRY_VOID(clone_folder(folder_, layer.folder, folder));
            }
        }
        layer.folder = folder;
    }
    return {};
}

Result<LoadedImage> ArchiveLoader::image(ArchiveImage described) {
    LoadedImage out;
    for (const auto& name : described.layers) {
        const auto at = layers_.find(name);
        if (at == layers_.end()) return fail(ErrorKind::invalid, "invalid image archive: no layer " + name);
        if (!at->second.problem.empty())
            return fail(ErrorKind::invalid, "invalid image archive: " + at->second.problem);
        out.layers.push_back(at->second.layer);
    }
    if (out.layers.size() > limits::layers_per_image_max) return fail(ErrorKind::invalid, "max depth exceeded");
    TRY(auto facts, read_config(described.config));
    if (!facts.os.empty() && facts.os != "linux")
        return fail(ErrorKind::invalid, "cannot load " + facts.os + " image on linux");
    if (facts.diff_ids.empty() && !out.layers.empty()) {
        TRY(described.config, with_rootfs(std::move(described.config), out.layers));
        TRY(facts, read_config(described.config));
    }
    if (facts.diff_ids.size() != out.layers.size())
        return fail(ErrorKind::invalid, "invalid manifest, layers length mismatch: expected " +
                                            std::to_string(out.layers.size()) + ", got " +
                                            std::to_string(facts.diff_ids.size()));
    for (size_t i = 0; i < facts.diff_ids.size(); i++) {
        if (facts.diff_ids[i] != out.layers[i].diff_id)
            return fail(ErrorKind::invalid, "invalid diffID for layer " + std::to_string(i) + ": expected \"" +
                                                facts.diff_ids[i] + "\", got \"" + out.layers[i].diff_id + "\"");
    }
    out.config = std::move(described.config);
    out.tags = std::move(described.tags);
    return out;
}

Result<std::vector<LoadedImage>> ArchiveLoader::images() {
    TRY(auto described, read_archive(blobs_, aliases_));
    std::vector<LoadedImage> out;
    size_t config_bytes = 0;
    for (auto& one : described) {
        config_bytes += one.config.size();
        if (config_bytes > limits::json_blobs_bytes_max)
            return fail(ErrorKind::too_large, "invalid image archive: too many bytes of configs");
        TRY(auto loaded, image(std::move(one)));
        TRY_VOID(give_folders(loaded));
        out.push_back(std::move(loaded));
    }
    return out;
}

}  // namespace

Result<std::vector<LoadedImage>> load_archive(BlockingSource& source, int folder) {
    TRY(const auto plain, decompressing(source));
    ArchiveLoader loader(*plain, folder);
    TRY_VOID(loader.read());
    return loader.images();
}

std::string encode_error(const Error& error) {
    json::Writer w;
    w.begin_object().field("error", error.message()).field("kind", static_cast<int>(error.kind()));
    return w.field("errno", error.error_number()).end_object().take();
}

std::string encode_images(const std::vector<LoadedImage>& images) {
    json::Writer w;
    w.begin_object().key("images").begin_array();
    for (const auto& image : images) {
        w.begin_object().field("config", image.config).field("tags", image.tags).key("layers").begin_array();
        for (const auto& layer : image.layers) {
            w.begin_object().field("folder", layer.folder).field("diff_id", layer.diff_id);
            w.field("size", layer.size).field("tar_bytes", layer.tar_bytes);
            w.field("blob_digest", layer.blob_digest).field("blob_size", layer.blob_size).end_object();
        }
        w.end_array().end_object();
    }
    return w.end_array().end_object().take();
}

std::string encode_size(int64_t size) {
    json::Writer w;
    return w.begin_object().field("size", size).end_object().take();
}

namespace {

tl::unexpected<Error> malformed() { return fail(ErrorKind::internal, "the worker's answer is malformed"); }

// The record's object, or the error it tells.
Result<simdjson::dom::element> parse_record(simdjson::dom::parser& parser, std::string_view record) {
    simdjson::dom::element root;
    if (parser.parse(record.data(), record.size()).get(root) != simdjson::SUCCESS) return malformed();
    std::string_view message;
    if (root["error"].get(message) != simdjson::SUCCESS) return root;
    int64_t kind = 0;
    int64_t number = 0;
    if (root["kind"].get(kind) != simdjson::SUCCESS || root["errno"].get(number) != simdjson::SUCCESS || kind < 0 ||
        kind > static_cast<int64_t>(ErrorKind::internal))
        return malformed();
    return fail(Error(static_cast<ErrorKind>(kind), std::string(message), static_cast<int>(number)));
}

}  // namespace

Result<void> error_of(std::string_view record) {
    simdjson::dom::parser parser;
    TRY(const auto root, parse_record(parser, record));
    static_cast<void>(root);
    return {};
}

Result<int64_t> decode_size(std::string_view record) {
    simdjson::dom::parser parser;
    TRY(const auto root, parse_record(parser, record));
    int64_t size = 0;
    if (root["size"].get(size) != simdjson::SUCCESS) return malformed();
    return size;
}

Result<std::vector<LoadedImage>> decode_images(std::string_view record) {
    using simdjson::dom::array;
    using simdjson::dom::element;
    simdjson::dom::parser parser;
    TRY(const element root, parse_record(parser, record));
    std::vector<LoadedImage> out;
    array images;
    if (root["images"].get(images) != simdjson::SUCCESS) return malformed();
    for (element item : images) {
        LoadedImage image;
        std::string_view config;
        array tags;
        array layers;
        if (item["config"].get(config) != simdjson::SUCCESS || item["tags"].get(tags) != simdjson::SUCCESS ||
            item["layers"].get(layers) != simdjson::SUCCESS)
            return malformed();
        image.config = config;
        for (element tag : tags) {
            std::string_view text;
            if (tag.get(text) != simdjson::SUCCESS) return malformed();
            image.tags.emplace_back(text);
        }
        for (element layer : layers) {
            std::string_view name;
            std::string_view diff_id;
            std::string_view blob;
            LoadedLayer one;
            if (layer["folder"].get(name) != simdjson::SUCCESS || layer["diff_id"].get(diff_id) != simdjson::SUCCESS ||
                layer["size"].get(one.size) != simdjson::SUCCESS ||
                layer["tar_bytes"].get(one.tar_bytes) != simdjson::SUCCESS ||
                layer["blob_digest"].get(blob) != simdjson::SUCCESS ||
                layer["blob_size"].get(one.blob_size) != simdjson::SUCCESS || (!blob.empty() && !is_digest(blob)) ||
                !is_digest(diff_id) || name.empty() ||
                !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
                return malformed();
            one.folder = name;
            one.diff_id = diff_id;
            one.blob_digest = blob;
            image.layers.push_back(std::move(one));
        }
        out.push_back(std::move(image));
    }
    return out;
}

}  // namespace engine::storage
