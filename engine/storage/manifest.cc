#include "engine/storage/manifest.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/json_text.h"
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

Result<std::vector<std::string>> list_of_texts(element value, std::string_view key) {
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
    const std::string path = follow(aliases, name);
    const auto at = blobs.find(path);
    if (at == blobs.end()) return bad("no file " + name);
    if (path.starts_with("blobs/sha256/") && sha256_of(at->second) != "sha256:" + path.substr(13))
        return bad(path + " is not what its name says");
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
        TRY(image.tags, list_of_texts(item, "RepoTags"));
        TRY(image.layers, list_of_texts(item, "Layers"));
        for (auto& layer : image.layers) layer = follow(aliases, layer);
        out.push_back(std::move(image));
    }
    return out;
}

// One entry of an index that is in the archive and may be an image.
struct Described {
    std::string digest;
    std::vector<std::string> tags;
    bool for_this_host = false;
};

Result<std::optional<Described>> describe(const Blobs& blobs, element item, const std::vector<std::string>& names) {
    Described out;
    out.digest = text_of(item, "digest");
    out.tags = names;
    if (!is_digest(out.digest)) return bad("a manifest without a digest");
    if (!blobs.contains(blob_path(out.digest))) return std::optional<Described>();  // another platform's
    element platform;
    if (item["platform"].get(platform) == simdjson::SUCCESS) {
        if (text_of(platform, "os") == "unknown") return std::optional<Described>();  // an attestation
        out.for_this_host =
            text_of(platform, "os") == "linux" && text_of(platform, "architecture") == host_architecture;
    }
    element annotations;
    if (item["annotations"].get(annotations) != simdjson::SUCCESS) return std::optional<Described>(std::move(out));
    if (!text_of(annotations, "vnd.docker.reference.type").empty())
        return std::optional<Described>();  // an attestation
    std::string name = text_of(annotations, "io.containerd.image.name");
    if (name.empty()) name = text_of(annotations, "org.opencontainers.image.ref.name");
    if (name.find_first_of(":/") != std::string::npos) out.tags.push_back(name);  // a bare tag names nothing
    return std::optional<Described>(std::move(out));
}

Result<ArchiveImage> oci_manifest(const Blobs& blobs, element manifest, Described described) {
    element config;
    array layers;
    if (manifest["config"].get(config) != simdjson::SUCCESS || manifest["layers"].get(layers) != simdjson::SUCCESS)
        return bad(described.digest + " is not an image manifest");
    ArchiveImage image;
    image.tags = std::move(described.tags);
    const std::string config_digest = text_of(config, "digest");
    if (!is_digest(config_digest)) return bad("a config without a digest");
    TRY(image.config, blob(blobs, {}, blob_path(config_digest)));
    for (element layer : layers) {
        const std::string digest = text_of(layer, "digest");
        if (!is_digest(digest)) return bad("a layer without a digest");
        image.layers.push_back(blob_path(digest));
        if (image.layers.size() > limits::layers_per_archive_max) return bad("too many layers");
    }
    return image;
}

// The outermost index lists images; one inside it lists the platforms of one image: this host's is taken, or the first.
Result<void> oci_index(const Blobs& blobs, std::string_view text, size_t depth, std::vector<ArchiveImage>& out,
                       const std::vector<std::string>& names) {
    if (depth > limits::index_depth_max) return bad("indexes are nested too deeply");
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, text, "index"));
    array items;
    if (root["manifests"].get(items) != simdjson::SUCCESS) return bad("the index has no manifests");
    std::vector<Described> found;
    for (element item : items) {
        TRY(auto described, describe(blobs, item, names));
        if (described) found.push_back(std::move(*described));
        if (found.size() > limits::images_per_archive_max) return bad("too many images");
    }
    if (depth > 0 && !found.empty()) {
        auto best = std::find_if(found.begin(), found.end(), [](const auto& one) { return one.for_this_host; });
        if (best == found.end()) best = found.begin();
        found = {std::move(*best)};
    }
    for (Described& described : found) {
        TRY(const std::string manifest_text, blob(blobs, {}, blob_path(described.digest)));
        simdjson::dom::parser inner;
        TRY(const element manifest, parse(inner, manifest_text, described.digest));
        element nested;
        if (manifest["manifests"].get(nested) == simdjson::SUCCESS) {
            TRY_VOID(oci_index(blobs, manifest_text, depth + 1, out, described.tags));
            continue;
        }
        if (out.size() >= limits::images_per_archive_max) return bad("too many images");
        TRY(auto image, oci_manifest(blobs, manifest, std::move(described)));
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

// What a container is made from must be what it is taken for: refused now, not at the first run.
Result<void> check_config(element root) {
    element config;
    if (root["config"].get(config) != simdjson::SUCCESS || config.is_null()) return {};
    if (!config.is_object()) return bad("the config's config is not an object");
    const auto wrong = [&](const char* key, const char* what) {
        return bad("the config's " + std::string(key) + " is not " + what);
    };
    for (const char* key : {"Env", "Cmd", "Entrypoint", "OnBuild", "Shell"}) {
        TRY_VOID(list_of_texts(config, key));
    }
    element value;
    for (const char* key : {"User", "WorkingDir", "StopSignal", "Hostname", "Domainname"})
        if (config[key].get(value) == simdjson::SUCCESS && !value.is_null() && !value.is_string())
            return wrong(key, "text");
    for (const char* key : {"Labels", "ExposedPorts", "Volumes", "Healthcheck"})
        if (config[key].get(value) == simdjson::SUCCESS && !value.is_null() && !value.is_object())
            return wrong(key, "an object");
    object labels;
    if (config["Labels"].get(labels) != simdjson::SUCCESS) return {};
    for (auto [key, label] : labels)
        if (!label.is_string()) return wrong("Labels", "an object of texts");
    return {};
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
    out.os = text_of(root, "os");
    out.architecture = text_of(root, "architecture");
    out.variant = text_of(root, "variant");
    TRY_VOID(check_config(root));
    element rootfs;
    if (root["rootfs"].get(rootfs) != simdjson::SUCCESS) return out;
    TRY(out.diff_ids, list_of_texts(rootfs, "diff_ids"));
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
