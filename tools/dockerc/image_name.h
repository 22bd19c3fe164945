// The parts of an image's name as the client needs them; whether they are well formed is the engine's to say.
#pragma once

#include <string>
#include <string_view>

namespace dockerc {

struct ImageName {
    std::string repository, tag, digest;
};

inline ImageName split_image_name(std::string_view text) {
    ImageName out;
    if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
        out.digest = text.substr(at + 1);
        text = text.substr(0, at);
    }
    const std::size_t slash = text.rfind('/');
    const std::size_t colon = text.rfind(':');
    if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        out.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    out.repository = text;
    return out;
}

// "docker.io/library/busybox:latest"
inline std::string qualified_name(const ImageName& name) {
    std::string out = name.repository;
    const std::string head = out.substr(0, out.find('/'));
    const bool has_host =
        out.find('/') != std::string::npos && (head.find_first_of(".:[") != std::string::npos || head == "localhost");
    if (!has_host) out.insert(0, out.find('/') == std::string::npos ? "docker.io/library/" : "docker.io/");
    if (!name.tag.empty()) out += ":" + name.tag;
    if (!name.digest.empty()) out += "@" + name.digest;
    return out;
}

}  // namespace dockerc
