// Archives made in memory, right ones and wrong ones.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "engine/storage/digest.h"

namespace engine::storage::testing {

// One header block with a right checksum.
inline std::string tar_header(const std::string& name, char type, const std::string& link, size_t size,
                              int mode = 0644) {
    std::string block(512, '\0');
    std::memcpy(block.data(), name.data(), std::min<size_t>(name.size(), 100));
    std::snprintf(block.data() + 100, 8, "%07o", static_cast<unsigned>(mode));
    std::snprintf(block.data() + 108, 8, "%07o", 0);
    std::snprintf(block.data() + 116, 8, "%07o", 0);
    std::snprintf(block.data() + 124, 12, "%011zo", size);
    std::snprintf(block.data() + 136, 12, "%011o", 0);
    block[156] = type;
    std::memcpy(block.data() + 157, link.data(), std::min<size_t>(link.size(), 100));
    std::memcpy(block.data() + 257, "ustar\00000", 8);
    std::memset(block.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(block.data() + 148, 8, "%06o", sum);
    return block;
}

class Tar {
public:
    Tar& file(const std::string& name, const std::string& data, int mode = 0644) {
        return entry(name, '0', "", data, mode);
    }
    Tar& folder(const std::string& name, int mode = 0755) { return entry(name, '5', "", "", mode); }
    Tar& link(const std::string& name, char type, const std::string& target) {
        return entry(name, type, target, "", 0777);
    }
    Tar& entry(const std::string& name, char type, const std::string& target, const std::string& data, int mode) {
        text_ += tar_header(name, type, target, data.size(), mode) + data;
        text_.resize((text_.size() + 511) / 512 * 512);
        return *this;
    }
    Tar& raw(const std::string& bytes) {
        text_ += bytes;
        return *this;
    }
    std::string end() const { return text_ + std::string(1024, '\0'); }

private:
    std::string text_;
};

inline std::string quoted_list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const auto& text : texts) out += (out.size() > 1 ? ",\"" : "\"") + text + "\"";
    return out + "]";
}

// layers: uncompressed.
inline std::string image_json(const std::vector<std::string>& layers, const std::string& more = "") {
    std::vector<std::string> ids;
    for (const auto& layer : layers) ids.push_back(sha256_of(layer));
    return "{\"architecture\":\"amd64\",\"os\":\"linux\"" + more +
           ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":" + quoted_list(ids) + "}}";
}

// As docker save wrote it up to version 24; stored: the layers as they stand in the archive.
inline std::string saved(const std::string& tag, const std::string& json, const std::vector<std::string>& stored) {
    Tar tar;
    std::vector<std::string> names;
    for (const auto& layer : stored) {
        names.push_back(std::to_string(names.size()) + "/layer.tar");
        tar.file(names.back(), layer);
    }
    tar.file("c.json", json);
    tar.file("manifest.json", "[{\"Config\":\"c.json\",\"RepoTags\":" + (tag.empty() ? "null" : quoted_list({tag})) +
                                  ",\"Layers\":" + quoted_list(names) + "}]");
    return tar.end();
}

// An OCI layout's blobs; each adds itself to the tar and gives its descriptor.
class Layout {
public:
    std::string blob(const std::string& data, const std::string& more = "") {
        const std::string digest = sha256_of(data);
        tar_.file("blobs/sha256/" + digest.substr(7), data);
        return "{\"digest\":\"" + digest + "\",\"size\":" + std::to_string(data.size()) + more + "}";
    }
    std::string image(const std::string& json, const std::vector<std::string>& stored, const std::string& more = "") {
        std::string layers;
        for (const auto& layer : stored) layers += (layers.empty() ? "" : ",") + blob(layer);
        const std::string config = blob(json);
        return blob("{\"schemaVersion\":2,\"config\":" + config + ",\"layers\":[" + layers + "]}", more);
    }
    std::string index(const std::vector<std::string>& manifests, const std::string& more = "") {
        return blob(index_text(manifests), more);
    }
    std::string end(const std::vector<std::string>& manifests) {
        tar_.file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}").file("index.json", index_text(manifests));
        return tar_.end();
    }
    Tar& tar() { return tar_; }
    static std::string index_text(const std::vector<std::string>& manifests) {
        std::string out = "{\"schemaVersion\":2,\"manifests\":[";
        for (size_t i = 0; i < manifests.size(); i++) out += (i ? "," : "") + manifests[i];
        return out + "]}";
    }

private:
    Tar tar_;
};

inline std::string annotated(const std::string& name) {
    return ",\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/" + name + "\"}";
}
inline std::string for_platform(const std::string& os, const std::string& architecture) {
    return ",\"platform\":{\"os\":\"" + os + "\",\"architecture\":\"" + architecture + "\"}";
}

}  // namespace engine::storage::testing
