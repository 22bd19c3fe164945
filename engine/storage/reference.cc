#include "engine/storage/reference.h"

#include <algorithm>

#include "engine/storage/digest.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
    return is_lower(c) || is_upper(c) || is_digit(c);
}

// [a-z0-9]+ joined by one of: '.', '_', '__', any run of '-'.
bool is_component(std::string_view text) {
    if (text.empty() || !(is_lower(text.front()) || is_digit(text.front()))) return false;
    if (!(is_lower(text.back()) || is_digit(text.back()))) return false;
    for (size_t i = 0; i < text.size();) {
        if (is_lower(text[i]) || is_digit(text[i])) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < text.size() && text[end] == text[i]) end++;
        const size_t run = end - i;
        const bool fits = text[i] == '-' || (text[i] == '.' && run == 1) || (text[i] == '_' && run <= 2);
        if (!fits || !(is_lower(text[end]) || is_digit(text[end]))) return false;
        i = end;
    }
    return true;
}

bool is_domain(std::string_view text) {
    const size_t colon = text.starts_with('[') ? text.find(':', text.find(']')) : text.find(':');
    if (colon != std::string_view::npos) {
        const auto port = text.substr(colon + 1);
        if (port.empty() || !std::all_of(port.begin(), port.end(), is_digit)) return false;
        text = text.substr(0, colon);
    }
    if (text.starts_with('[')) {
        return text.size() > 2 && text.ends_with(']') && std::all_of(text.begin() + 1, text.end() - 1, [](char c) {
                   return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
               });
    }
    while (true) {
        const size_t dot = text.find('.');
        const auto label = text.substr(0, dot);
        if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
        if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; })) return false;
        if (dot == std::string_view::npos) return true;
        text = text.substr(dot + 1);
    }
}

tl::unexpected<Error> bad_format() {
    return fail(ErrorKind::invalid, "invalid reference format");
}

}  // namespace

bool is_tag(std::string_view text) {
    if (text.empty() || text.size() > limits::reference_tag_bytes_max) return false;
    if (!(is_alnum(text[0]) || text[0] == '_')) return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

Result<Reference> parse_reference(std::string_view text) {
    Reference out;
    if (text.size() == 64 && is_hex(text))
        return fail(ErrorKind::invalid,
                    "invalid repository name (" + std::string(text) + "), cannot specify 64-byte hexadecimal strings");
    if (const size_t at = text.find('@'); at != std::string_view::npos) {
        const auto digest = text.substr(at + 1);
        if (digest.find(':') == std::string_view::npos) return bad_format();
        if (!digest.starts_with("sha256:")) return fail(ErrorKind::invalid, "unsupported digest algorithm");
        if (!is_digest(digest)) {
            if (is_hex(digest.substr(7)) && digest.size() >= 39)
                return fail(ErrorKind::invalid, "invalid checksum digest length");
            return bad_format();
        }
        out.digest = digest;
        text = text.substr(0, at);
    }
    const size_t slash = text.rfind('/');
    const size_t colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
    if (colon != std::string_view::npos) {
        if (!is_tag(text.substr(colon + 1))) return bad_format();
        out.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    const size_t first = text.find('/');
    const auto head = text.substr(0, first);
    const bool has_domain =
        first != std::string_view::npos && (head.find_first_of(".:[") != std::string_view::npos ||
                                            head == "localhost" || std::any_of(head.begin(), head.end(), is_upper));
    if (has_domain) {
        if (!is_domain(head)) return bad_format();
        out.domain = head == "index.docker.io" ? "docker.io" : std::string(head);
        text = text.substr(first + 1);
    } else {
        out.domain = "docker.io";
    }
    if (std::any_of(text.begin(), text.end(), is_upper))
        return fail(ErrorKind::invalid, "invalid reference format: repository name (" +
                                            (out.domain == "docker.io" && text.find('/') == std::string_view::npos
                                                 ? "library/" + std::string(text)
                                                 : std::string(text)) +
                                            ") must be lowercase");
    for (size_t begin = 0;;) {
        const size_t end = text.find('/', begin);
        if (!is_component(text.substr(begin, end == std::string_view::npos ? end : end - begin))) return bad_format();
        if (end == std::string_view::npos) break;
        begin = end + 1;
    }
    out.path = text;
    if (out.domain == "docker.io" && out.path.find('/') == std::string::npos) out.path.insert(0, "library/");
    if (out.path.size() > limits::reference_name_bytes_max)
        return fail(ErrorKind::invalid, "repository name must not be more than 255 characters");
    return out;
}

Reference with_default_tag(Reference reference) {
    if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
    return reference;
}

std::string Reference::name() const {
    return domain + "/" + path;
}

std::string Reference::familiar_name() const {
    if (domain != "docker.io") return name();
    if (path.starts_with("library/") && path.find('/', 8) == std::string::npos) return path.substr(8);
    return path;
}

std::string Reference::text() const {
    return name() + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

std::string Reference::familiar() const {
    return familiar_name() + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

}  // namespace engine::storage
