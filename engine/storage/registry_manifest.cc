#include "engine/storage/registry_manifest.h"

#include <simdjson.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/json_text.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

tl::unexpected<Error> bad(std::string_view name, std::string_view what) {
    return fail(ErrorKind::invalid, "invalid manifest of " + std::string(name) + ": " + std::string(what));
}

Result<Descriptor> descriptor_of(element value, std::string_view name) {
    Descriptor out;
    out.media_type = text_of(value, "mediaType");
    out.digest = text_of(value, "digest");
    if (!is_digest(out.digest)) return bad(name, "\"" + out.digest.substr(0, 80) + "\" is not a digest");
    if (value["size"].get(out.size) != simdjson::SUCCESS || out.size < 0) return bad(name, "a size is missing");
    return out;
}

Result<IndexEntry> entry_of(element item, std::string_view name) {
    IndexEntry out;
    TRY(out.descriptor, descriptor_of(item, name));
    element platform;
    if (item["platform"].get(platform) == simdjson::SUCCESS && platform.is_object()) {
        Platform one;
        one.os = text_of(platform, "os");
        one.architecture = text_of(platform, "architecture");
        one.variant = text_of(platform, "variant");
        out.attestation = one.os == "unknown" && one.architecture == "unknown";
        out.platform = normalized(std::move(one));
    }
    element annotations;
    if (item["annotations"].get(annotations) == simdjson::SUCCESS &&
        !text_of(annotations, "vnd.docker.reference.type").empty())
        out.attestation = true;
    return out;
}

void append_descriptor(std::string& out, const Descriptor& one, std::string_view indent) {
    const std::string inner(indent);
    out += "{\n" + inner + "   \"mediaType\": \"" + one.media_type + "\",\n" + inner +
           "   \"size\": " + std::to_string(one.size) + ",\n" + inner + "   \"digest\": \"" + one.digest + "\"\n" +
           inner + "}";
}

bool plain(std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

}  // namespace

std::string Platform::text() const {
    return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

Platform normalized(Platform platform) {
    for (std::string* text : {&platform.os, &platform.architecture, &platform.variant})
        std::transform(text->begin(), text->end(), text->begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string& architecture = platform.architecture;
    std::string& variant = platform.variant;
    if (platform.os == "macos") platform.os = "darwin";
    if (architecture == "i386" || architecture == "i686") {
        architecture = "386";
        variant.clear();
    } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
        architecture = "amd64";
        if (variant == "v1") variant.clear();
    } else if (architecture == "aarch64" || architecture == "arm64") {
        architecture = "arm64";
        if (variant == "8" || variant == "v8") variant.clear();
    } else if (architecture == "armhf") {
        architecture = "arm";
        variant = "v7";
    } else if (architecture == "armel") {
        architecture = "arm";
        variant = "v6";
    } else if (architecture == "arm") {
        if (variant.empty() || variant == "7") variant = "v7";
        if (variant == "5" || variant == "6" || variant == "8") variant.insert(0, "v");
    }
    return platform;
}

Platform host_platform() {
    Platform out;
#if defined(__x86_64__)
    out.architecture = "amd64";
#elif defined(__aarch64__)
    out.architecture = "arm64";
#else
    out.architecture = "unknown";
#endif
    return out;
}

Result<Platform> parse_platform(std::string_view text) {
    if (text.empty()) return host_platform();
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find('/', begin), text.size());
        parts.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), plain))
        return fail(ErrorKind::invalid,
                    "\"" + std::string(text) + "\" is an invalid platform: it is os[/architecture[/variant]]");
    Platform out = host_platform();
    if (parts.size() == 1) {
        static constexpr std::string_view systems[] = {"linux", "windows", "darwin", "macos", "freebsd"};
        const bool is_os = std::find(std::begin(systems), std::end(systems), parts[0]) != std::end(systems);
        (is_os ? out.os : out.architecture) = parts[0];
        return normalized(std::move(out));
    }
    out.os = parts[0];
    out.architecture = parts[1];
    if (parts.size() > 2) out.variant = parts[2];
    return normalized(std::move(out));
}

Result<RegistryManifest> parse_registry_manifest(std::string_view body, std::string_view content_type,
                                                 std::string_view name) {
    if (body.size() > limits::registry_manifest_bytes_max)
        return fail(ErrorKind::too_large, "the manifest of " + std::string(name) + " has more than " +
                                              std::to_string(limits::registry_manifest_bytes_max) +
                                              " bytes (registry_manifest_bytes_max)");
    const std::string type(content_type.substr(0, content_type.find(';')));
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return bad(name, "it is not a JSON object (content type \"" + type + "\")");
    RegistryManifest out;
    out.media_type = text_of(root, "mediaType");
    int64_t version = 0;
    if (root["schemaVersion"].get(version) != simdjson::SUCCESS) return bad(name, "it has no schemaVersion");
    if (version == 1)
        return fail(ErrorKind::invalid,
                    "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. "
                    "Suggest the author of " +
                        std::string(name) +
                        " to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More "
                        "information at https://docs.docker.com/go/deprecated-image-specs/");
    if (version != 2) return bad(name, "its schemaVersion is " + std::to_string(version));
    array layers;
    array entries;
    const bool has_layers = root["layers"].get(layers) == simdjson::SUCCESS;
    const bool has_entries = root["manifests"].get(entries) == simdjson::SUCCESS;
    if (has_layers && has_entries) return bad(name, "it is an image and an index at once");
    if (!has_layers && !has_entries) return bad(name, "it is neither an image nor an index");
    if (out.media_type.empty()) out.media_type = type;
    out.is_index = has_entries;
    if (has_entries) {
        if (out.media_type != media::docker_list) out.media_type = media::oci_index;
        for (element item : entries) {
            TRY(auto entry, entry_of(item, name));
            out.entries.push_back(std::move(entry));
            if (out.entries.size() > limits::index_entries_max)
                return fail(ErrorKind::too_large, "the index of " + std::string(name) + " has more than " +
                                                      std::to_string(limits::index_entries_max) +
                                                      " entries (index_entries_max)");
        }
        return out;
    }
    if (out.media_type != media::docker_manifest) out.media_type = media::oci_manifest;
    element config;
    if (root["config"].get(config) != simdjson::SUCCESS) return bad(name, "it has no config");
    TRY(out.config, descriptor_of(config, name));
    for (element item : layers) {
        TRY(auto layer, descriptor_of(item, name));
        out.layers.push_back(std::move(layer));
        if (out.layers.size() > limits::layers_per_image_max)
            return fail(ErrorKind::invalid, "max depth exceeded: the manifest of " + std::string(name) +
                                                " has more than " + std::to_string(limits::layers_per_image_max) +
                                                " layers (layers_per_image_max)");
    }
    return out;
}

Result<Descriptor> choose_manifest(const RegistryManifest& index, const Platform& wanted) {
    const Platform want = normalized(wanted);
    const IndexEntry* best = nullptr;
    for (const IndexEntry& entry : index.entries) {
        if (entry.attestation || !entry.platform) continue;
        if (entry.platform->os != want.os || entry.platform->architecture != want.architecture) continue;
        if (entry.platform->variant == want.variant) {
            best = &entry;
            break;
        }
        // A variant not asked for is taken only when nothing fits better; an older arm runs on a newer one.
        const bool older_arm = want.architecture == "arm" && entry.platform->variant < want.variant;
        if ((want.variant.empty() || older_arm) && best == nullptr) best = &entry;
    }
    if (best == nullptr) {
        Platform shown = want;
        if (shown.architecture == "arm64" && shown.variant.empty()) shown.variant = "v8";
        return fail(ErrorKind::not_found, "no matching manifest for " + shown.text() + " in the manifest list entries");
    }
    return best->descriptor;
}

std::string make_docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers) {
    std::string out = "{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"" + std::string(media::docker_manifest) +
                      "\",\n   \"config\": ";
    append_descriptor(out, config, "   ");
    out += ",\n   \"layers\": [";
    for (size_t i = 0; i < layers.size(); i++) {
        out += i == 0 ? "\n      " : ",\n      ";
        append_descriptor(out, layers[i], "      ");
    }
    out += layers.empty() ? "]\n}" : "\n   ]\n}";
    return out;
}

}  // namespace engine::storage
