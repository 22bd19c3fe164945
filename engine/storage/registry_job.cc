#include "engine/storage/registry_job.h"

#include <simdjson.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/json_text.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

std::vector<std::string> texts_of(element value, std::string_view key) {
    std::vector<std::string> out;
    array items;
    if (value[key].get(items) != simdjson::SUCCESS) return out;
    for (element item : items) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS) out.emplace_back(text);
    }
    return out;
}

int64_t number_of(element value, std::string_view key, int64_t otherwise) {
    int64_t out = otherwise;
    if (value[key].get(out) != simdjson::SUCCESS) return otherwise;
    return out;
}

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string out;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t three = 0;
        const size_t have = std::min<size_t>(3, bytes.size() - i);
        for (size_t k = 0; k < 3; k++) three = three << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (size_t k = 0; k < 4; k++) out += k <= have ? alphabet[three >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

Result<std::string> base64_decode(std::string_view text) {
    std::string out;
    uint32_t bits = 0;
    unsigned have = 0;
    while (text.ends_with('=')) text.remove_suffix(1);
    for (char c : text) {
        if (c == '-') c = '+';
        if (c == '_') c = '/';
        if (c == '\n' || c == '\r') continue;
        const size_t value = alphabet.find(c);
        if (value == std::string_view::npos) return fail(ErrorKind::invalid, "illegal base64 data");
        bits = bits << 6 | static_cast<uint32_t>(value);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out += static_cast<char>(bits >> have & 0xff);
        }
    }
    return out;
}

Result<Credentials> parse_auth_config(std::string_view json) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::invalid, "invalid X-Registry-Auth header: it is not a JSON object");
    Credentials out;
    out.username = text_of(root, "username");
    out.password = text_of(root, "password");
    out.identity_token = text_of(root, "identitytoken");
    out.registry_token = text_of(root, "registrytoken");
    out.server_address = text_of(root, "serveraddress");
    const std::string both = text_of(root, "auth");
    if (!both.empty() && out.username.empty()) {
        TRY(const std::string plain, base64_decode(both));
        const size_t colon = plain.find(':');
        out.username = plain.substr(0, colon);
        if (colon != std::string::npos) out.password = plain.substr(colon + 1);
    }
    return out;
}

namespace {

// "https://index.docker.io/v1/" -> "index.docker.io"
std::string_view host_of(std::string_view key) {
    if (const size_t scheme = key.find("://"); scheme != std::string_view::npos) key.remove_prefix(scheme + 3);
    return key.substr(0, key.find('/'));
}

}  // namespace

Credentials parse_registry_config(std::string_view header, std::string_view domain) {
    const auto json = base64_decode(header);
    simdjson::dom::parser parser;
    simdjson::dom::object registries;
    if (!json || parser.parse(*json).get(registries) != simdjson::SUCCESS) return {};
    for (const auto& [key, value] : registries) {
        const std::string_view host = host_of(key);
        if (host != domain && !(domain == "docker.io" && host == "index.docker.io")) continue;
        auto parsed = parse_auth_config(simdjson::minify(value));
        if (parsed) return std::move(*parsed);
    }
    return {};
}

Credentials parse_registry_auth(std::string_view header) {
    if (header.empty()) return {};
    const auto json = base64_decode(header);
    if (!json) return {};
    auto parsed = parse_auth_config(*json);
    return parsed ? std::move(*parsed) : Credentials();
}

std::string encode_job(const RegistryJob& job) {
    json::Writer w;
    w.begin_object().field("insecure", job.settings.insecure).field("mirrors", job.settings.mirrors);
    w.field("certificates", job.settings.certificates).field("user_agent", job.settings.user_agent);
    w.field("http_proxy", job.settings.http_proxy).field("https_proxy", job.settings.https_proxy);
    w.field("no_proxy", job.settings.no_proxy);
    w.field("username", job.credentials.username).field("password", job.credentials.password);
    w.field("identity_token", job.credentials.identity_token).field("registry_token", job.credentials.registry_token);
    w.field("domain", job.domain).field("repository", job.repository).field("reference", job.reference);
    w.field("familiar", job.familiar).field("familiar_name", job.familiar_name).field("platform", job.platform);
    w.field("endpoint", job.endpoint).field("token", job.token).field("digest", job.digest).field("size", job.size);
    w.key("blobs").begin_array();
    for (const KnownBlob& blob : job.blobs)
        w.begin_object().field("digest", blob.digest).field("sources", blob.sources).end_object();
    w.end_array().field("media_type", job.media_type).field("body", job.body).field("config", job.config);
    return w.field("term", job.term).field("limit", job.limit).end_object().take();
}

Result<RegistryJob> decode_job(std::string_view text) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::internal, "the registry job is malformed");
    RegistryJob out;
    out.settings.insecure = texts_of(root, "insecure");
    out.settings.mirrors = texts_of(root, "mirrors");
    out.settings.certificates = text_of(root, "certificates");
    out.settings.user_agent = text_of(root, "user_agent");
    out.settings.http_proxy = text_of(root, "http_proxy");
    out.settings.https_proxy = text_of(root, "https_proxy");
    out.settings.no_proxy = text_of(root, "no_proxy");
    out.credentials.username = text_of(root, "username");
    out.credentials.password = text_of(root, "password");
    out.credentials.identity_token = text_of(root, "identity_token");
    out.credentials.registry_token = text_of(root, "registry_token");
    out.domain = text_of(root, "domain");
    out.repository = text_of(root, "repository");
    out.reference = text_of(root, "reference");
    out.familiar = text_of(root, "familiar");
    out.familiar_name = text_of(root, "familiar_name");
    out.platform = text_of(root, "platform");
    out.endpoint = text_of(root, "endpoint");
    out.token = text_of(root, "token");
    out.digest = text_of(root, "digest");
    out.size = number_of(root, "size", -1);
    array blobs;
    if (root["blobs"].get(blobs) == simdjson::SUCCESS)
        for (element blob : blobs) out.blobs.push_back({text_of(blob, "digest"), texts_of(blob, "sources")});
    out.media_type = text_of(root, "media_type");
    out.body = text_of(root, "body");
    out.config = text_of(root, "config");
    out.term = text_of(root, "term");
    out.limit = number_of(root, "limit", 0);
    return out;
}

}  // namespace engine::storage
