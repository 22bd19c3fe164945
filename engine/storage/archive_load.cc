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
#include "engine/storage/tree.h"

namespace engine::storage {
namespace {

// The bytes of the outer archive's current entry; hashed as stored when a blob's name is its digest.
class EntrySource : public BlockingSource {
public:
    EntrySource(TarReader& tar, bool hash) : tar_(tar), hashed_(hash) {}
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
        if (hashed_) hash_.update(view_.data(), size);
        view_.remove_prefix(size);
        return size;
    }
    std::string finish() { return hash_.finish(); }

private:
    TarReader& tar_;
    Sha256 hash_;
    std::string head_;
    std::string_view view_;
    bool hashed_;
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
    if (::mkdirat(folder, to.c_str(), 0755) != 0) return fail_errno(errno, "create layer folder");
    const UniqueFd source(::openat(folder, from.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd copy(::openat(folder, to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!source || !copy) return fail_errno(errno, "open layer folder");
    return apply_layer(source.get(), copy.get(), true);
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

Result<std::vector<LoadedImage>> load_archive(BlockingSource& source, int folder) {
    TRY(const auto plain, decompressing(source));
    TarReader tar(*plain);
    Blobs blobs;
    Aliases aliases;
    std::map<std::string, LoadedLayer> layers;
    size_t kept_bytes = 0;
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar.next(entry));
        if (!more) break;
        TRY(const std::string path, clean_path(entry.path));
        if (entry.type == TarType::symlink || entry.type == TarType::hard_link) {
            TRY(aliases[path], link_target(path, entry));
            continue;
        }
        if (entry.type != TarType::file || entry.sparse) continue;
        const bool named_by_digest = path.starts_with("blobs/sha256/");
        EntrySource bytes(tar, named_by_digest);
        TRY_VOID(bytes.peek());
        if (is_layer(entry, bytes.head())) {
            if (layers.size() >= limits::layers_per_archive_max)
                return fail(ErrorKind::too_large, "invalid image archive: too many layers");
            LoadedLayer layer;
            layer.folder = std::to_string(layers.size());
            if (::mkdirat(folder, layer.folder.c_str(), 0755) != 0) return fail_errno(errno, "create layer folder");
            const UniqueFd root(::openat(folder, layer.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            if (!root) return fail_errno(errno, "open layer folder");
            auto unpacked = unpack_layer(bytes, root.get());
            if (!unpacked) return fail(std::move(unpacked.error()).with_context("unpack " + path));
            // Trailing bytes after a compressed stream belong to the blob too.
            char rest[4096];
            while (true) {
                TRY(const size_t got, bytes.read(rest));
                if (got == 0) break;
            }
            if (named_by_digest && bytes.finish() != "sha256:" + path.substr(13))
                return fail(ErrorKind::invalid, "invalid image archive: " + path + " is not what its name says");
            layer.diff_id = std::move(unpacked->diff_id);
            layer.size = unpacked->size;
            layer.tar_bytes = unpacked->tar_bytes;
            layers[path] = std::move(layer);
            continue;
        }
        if (entry.size > limits::json_blob_bytes_max) {
            continue;  // neither a layer nor small: nothing of ours
        }
        kept_bytes += static_cast<size_t>(entry.size);
        if (kept_bytes > limits::json_blobs_bytes_max)
            return fail(ErrorKind::too_large, "invalid image archive: too many bytes of manifests");
        std::string text(static_cast<size_t>(entry.size), '\0');
        for (size_t at = 0; at < text.size();) {
            TRY(const size_t got, bytes.read({text.data() + at, text.size() - at}));
            if (got == 0) return fail(ErrorKind::invalid, "unexpected EOF");
            at += got;
        }
        blobs[path] = std::move(text);
    }
    TRY_VOID(tar.drain());

    TRY(auto described, read_archive(blobs, aliases));
    std::vector<LoadedImage> out;
    std::map<std::string, std::string> folder_of_chain;
    std::set<std::string> taken;
    for (auto& image : described) {
        LoadedImage loaded;
        for (const auto& name : image.layers) {
            const auto at = layers.find(name);
            if (at == layers.end()) return fail(ErrorKind::invalid, "invalid image archive: no layer " + name);
            loaded.layers.push_back(at->second);
        }
        if (loaded.layers.size() > limits::layers_per_image_max)
            return fail(ErrorKind::invalid, "max depth exceeded: an image has at most 125 layers");
        TRY(auto facts, read_config(image.config));
        if (facts.diff_ids.empty() && !loaded.layers.empty()) {
            TRY(image.config, with_rootfs(std::move(image.config), loaded.layers));
            TRY(facts, read_config(image.config));
        }
        if (facts.diff_ids.size() != loaded.layers.size())
            return fail(ErrorKind::invalid, "invalid manifest, layers length mismatch: expected " +
                                                std::to_string(loaded.layers.size()) + ", got " +
                                                std::to_string(facts.diff_ids.size()));
        for (size_t i = 0; i < facts.diff_ids.size(); i++) {
            if (facts.diff_ids[i] != loaded.layers[i].diff_id)
                return fail(ErrorKind::invalid, "invalid diffID for layer " + std::to_string(i) + ": expected \"" +
                                                    facts.diff_ids[i] + "\", got \"" + loaded.layers[i].diff_id + "\"");
        }
        // One folder for each chain: the same layer on another parent is another layer, and needs its own tree.
        std::string chain;
        for (auto& layer : loaded.layers) {
            chain = chain.empty() ? layer.diff_id : sha256_of(chain + " " + layer.diff_id);
            auto& folder_name = folder_of_chain[chain];
            if (folder_name.empty()) {
                folder_name = layer.folder;
                if (!taken.insert(layer.folder).second) {
                    folder_name = std::to_string(layers.size() + taken.size());
                    taken.insert(folder_name);
                    TRY_VOID(clone_folder(folder, layer.folder, folder_name));
                }
            }
            layer.folder = folder_name;
        }
        loaded.config = std::move(image.config);
        loaded.tags = std::move(image.tags);
        out.push_back(std::move(loaded));
    }
    return out;
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
            w.field("size", layer.size).field("tar_bytes", layer.tar_bytes).end_object();
        }
        w.end_array().end_object();
    }
    return w.end_array().end_object().take();
}

Result<std::vector<LoadedImage>> decode_images(std::string_view record) {
    using simdjson::dom::array;
    using simdjson::dom::element;
    const auto malformed = [] { return fail(ErrorKind::internal, "the worker's answer is malformed"); };
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(record.data(), record.size()).get(root) != simdjson::SUCCESS) return malformed();
    std::string_view message;
    if (root["error"].get(message) == simdjson::SUCCESS) {
        int64_t kind = 0;
        int64_t number = 0;
        if (root["kind"].get(kind) != simdjson::SUCCESS || root["errno"].get(number) != simdjson::SUCCESS || kind < 0 ||
            kind > static_cast<int64_t>(ErrorKind::internal))
            return malformed();
        return fail(Error(static_cast<ErrorKind>(kind), std::string(message), static_cast<int>(number)));
    }
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
            LoadedLayer one;
            if (layer["folder"].get(name) != simdjson::SUCCESS || layer["diff_id"].get(diff_id) != simdjson::SUCCESS ||
                layer["size"].get(one.size) != simdjson::SUCCESS ||
                layer["tar_bytes"].get(one.tar_bytes) != simdjson::SUCCESS || !is_digest(diff_id) || name.empty() ||
                !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
                return malformed();
            one.folder = name;
            one.diff_id = diff_id;
            image.layers.push_back(std::move(one));
        }
        out.push_back(std::move(image));
    }
    return out;
}

}  // namespace engine::storage
