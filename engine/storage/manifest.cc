#include "engine/storage/manifest.h"

#include <simdjson.h>

#include <set>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// As image configs name it (GOARCH).
#if defined(__x86_64__)
constexpr std::string_view host_architecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view host_architecture = "arm64";
#else
constexpr std::string_view host_architecture = "unknown";
#endif

tl::unexpected<Error> bad(std::string_view what) {
    return fail(ErrorKind::invalid, "invalid image archive: " + std::string(what));
}

Result<element> parse(simdjson::dom::parser& parser, std::string_view text, std::string_view what) {
    element out;
    if (parser.parse(text.data(), text.size()).get(out) != simdjson::SUCCESS)
        return bad(std::string(what) + " is not JSON");
    return out;
}

std::string text_of(element value, std::string_view key) {
    std::string_view out;
    if (value[key].get(out) != simdjson::SUCCESS) return "";
    return std::string(out);
}

Result<std::vector<std::string>> texts_of(element value, std::string_view key) {
    std::vector<std::string> out;
    element list;
    if (value[key].get(list) != simdjson::SUCCESS || list.is_null()) return out;
    array items;
    if (list.get(items) != simdjson::SUCCESS) return bad(std::string(key) + " is not a list");
    for (element item : items) {
        std::string_view text;
        if (item.get(text) != simdjson::SUCCESS) return bad(std::string(key) + " holds something that is not text");
        out.emplace_back(text);
        if (out.size() > limits::layers_per_archive_max) return bad(std::string(key) + " is too long");
    }
    return out;
}

std::string follow(const Aliases& aliases, std::string name) {
    for (int i = 0; i < 8; i++) {
        const auto at = aliases.find(name);
        if (at == aliases.end()) break;
        name = at->second;
    }
    return name;
}

Result<std::string> blob(const Blobs& blobs, const Aliases& aliases, const std::string& name) {
    const auto at = blobs.find(follow(aliases, name));
    if (at == blobs.end()) return bad("no file " + name);
    return at->second;
}

std::string blob_path(std::string_view digest) {
    return "blobs/sha256/" + std::string(digest.substr(7));
}

Result<std::vector<ArchiveImage>> docker_manifest(const Blobs& blobs, const Aliases& aliases, std::string_view text) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, text, "manifest.json"));
    array items;
    if (root.get(items) != simdjson::SUCCESS) return bad("manifest.json is not a list");
    std::vector<ArchiveImage> out;
    for (element item : items) {
        if (out.size() >= limits::images_per_archive_max) return bad("too many images");
        ArchiveImage image;
        TRY(image.config, blob(blobs, aliases, text_of(item, "Config")));
        TRY(image.tags, texts_of(item, "RepoTags"));
        TRY(image.layers, texts_of(item, "Layers"));
        for (auto& layer : image.layers) layer = follow(aliases, layer);
        out.push_back(std::move(image));
    }
    return out;
}

Result<void> oci_index(const Blobs& blobs, std::string_view text, size_t depth, std::vector<ArchiveImage>& out,
                       std::vector<std::string> names) {
    if (depth > limits::index_depth_max) return bad("indexes are nested too deeply");
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, text, "index"));
    array items;
    if (root["manifests"].get(items) != simdjson::SUCCESS) return bad("the index has no manifests");
    for (element item : items) {
        const std::string digest = text_of(item, "digest");
        if (!is_digest(digest)) return bad("a manifest without a digest");
        const auto at = blobs.find(blob_path(digest));
        if (at == blobs.end()) continue;  // another platform's, not in this archive
        if (sha256_of(at->second) != digest) return bad(digest + " is not what its name says");
        std::vector<std::string> tags = names;
        element annotations;
        if (item["annotations"].get(annotations) == simdjson::SUCCESS) {
            std::string name = text_of(annotations, "io.containerd.image.name");
            if (name.empty()) name = text_of(annotations, "org.opencontainers.image.ref.name");
            if (name.find_first_of(":/") == std::string::npos) name.clear();  // a bare tag names nothing
            if (!name.empty()) tags.push_back(name);
            if (!text_of(annotations, "vnd.docker.reference.type").empty()) continue;  // an attestation
        }
        simdjson::dom::parser inner_parser;
        TRY(const element manifest, parse(inner_parser, at->second, digest));
        element nested;
        if (manifest["manifests"].get(nested) == simdjson::SUCCESS) {
            TRY_VOID(oci_index(blobs, at->second, depth + 1, out, tags));
            continue;
        }
        element config;
        array layers;
        if (manifest["config"].get(config) != simdjson::SUCCESS || manifest["layers"].get(layers) != simdjson::SUCCESS)
            return bad(digest + " is not an image manifest");
        if (out.size() >= limits::images_per_archive_max) return bad("too many images");
        ArchiveImage image;
        image.tags = tags;
        const std::string config_digest = text_of(config, "digest");
        if (!is_digest(config_digest)) return bad("a config without a digest");
        TRY(image.config, blob(blobs, {}, blob_path(config_digest)));
        for (element layer : layers) {
            const std::string layer_digest = text_of(layer, "digest");
            if (!is_digest(layer_digest)) return bad("a layer without a digest");
            image.layers.push_back(blob_path(layer_digest));
            if (image.layers.size() > limits::layers_per_archive_max) return bad("too many layers");
        }
        out.push_back(std::move(image));
    }
    return {};
}

// The oldest form: repositories {"name": {"tag": "<id>"}} and <id>/json, each naming its parent.
Result<std::vector<ArchiveImage>> repositories(const Blobs& blobs, const Aliases& aliases, std::string_view text) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, text, "repositories"));
    object names;
    if (root.get(names) != simdjson::SUCCESS) return bad("repositories is not an object");
    std::vector<ArchiveImage> out;
    for (auto [name, tags] : names) {
        object pairs;
        if (tags.get(pairs) != simdjson::SUCCESS) return bad("repositories is malformed");
        for (auto [tag, id] : pairs) {
            if (out.size() >= limits::images_per_archive_max) return bad("too many images");
            std::string_view id_text;
            if (id.get(id_text) != simdjson::SUCCESS) return bad("repositories is malformed");
            ArchiveImage image;
            image.tags.push_back(std::string(name) + ":" + std::string(tag));
            std::string at(id_text);
            std::set<std::string> seen;
            for (bool top = true; !at.empty(); top = false) {
                if (!seen.insert(at).second || seen.size() > limits::layers_per_image_max)
                    return bad("parents in a circle or too many");
                TRY(std::string json, blob(blobs, aliases, at + "/json"));
                image.layers.insert(image.layers.begin(), follow(aliases, at + "/layer.tar"));
                simdjson::dom::parser one;
                TRY(const element parsed, parse(one, json, at + "/json"));
                at = text_of(parsed, "parent");
                if (top) image.config = std::move(json);
            }
            out.push_back(std::move(image));
        }
    }
    return out;
}

}  // namespace

Result<std::vector<ArchiveImage>> read_archive(const Blobs& blobs, const Aliases& aliases) {
    if (const auto at = blobs.find("manifest.json"); at != blobs.end())
        return docker_manifest(blobs, aliases, at->second);
    if (const auto at = blobs.find("index.json"); at != blobs.end()) {
        std::vector<ArchiveImage> out;
        TRY_VOID(oci_index(blobs, at->second, 0, out, {}));
        if (out.empty()) return bad("the index names no image that is in it");
        return out;
    }
    if (const auto at = blobs.find("repositories"); at != blobs.end()) return repositories(blobs, aliases, at->second);
    return bad("no manifest.json, index.json or repositories in it");
}

Result<ConfigFacts> read_config(std::string_view config) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, config, "config"));
    if (!root.is_object()) return bad("the config is not an object");
    ConfigFacts out;
    element rootfs;
    if (root["rootfs"].get(rootfs) != simdjson::SUCCESS) return out;
    TRY(out.diff_ids, texts_of(rootfs, "diff_ids"));
    for (const auto& id : out.diff_ids)
        if (!is_digest(id)) return bad("a diff id is not a digest");
    return out;
}

Result<std::string> make_config(std::string_view config, std::string_view diff_id, std::string_view created,
                                std::string_view comment) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, config, "config"));
    object fields;
    if (root.get(fields) != simdjson::SUCCESS) return bad("the config is not an object");
    json::Writer w;
    w.begin_object();
    for (auto [key, value] : fields) {
        if (key == "rootfs" || key == "history" || key == "created") continue;
        w.field_raw(key, simdjson::minify(value));
    }
    element given;
    if (root["architecture"].get(given) != simdjson::SUCCESS) w.field("architecture", host_architecture);
    if (root["os"].get(given) != simdjson::SUCCESS) w.field("os", "linux");
    w.field("created", created).key("history").begin_array().begin_object().field("created", created);
    if (!comment.empty()) w.field("comment", comment);
    w.end_object().end_array().key("rootfs").begin_object().field("type", "layers");
    w.key("diff_ids").begin_array().value(diff_id).end_array().end_object();
    return w.end_object().take();
}

}  // namespace engine::storage
