// What the engine asks of a `dockercd-registry` process, as one JSON object on its descriptor 4. The answer comes on
// descriptor 3, one JSON object a line: any number of progress lines {"current":n} and {"retry":seconds}, then one
// result or {"error":...,"kind":n,"errno":n}. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/storage/registry_manifest.h"

namespace engine::storage {

inline constexpr int registry_answer_fd = 3;
inline constexpr int registry_job_fd = 4;

// What a client sends in X-Registry-Auth, decoded.
struct Credentials {
    std::string username;
    std::string password;
    std::string identity_token;  // an OAuth refresh token
    std::string registry_token;  // a ready bearer token
    std::string server_address;
    bool empty() const { return username.empty() && identity_token.empty() && registry_token.empty(); }
};
// base64url of {"username":..,"password":..,...}, or {"auth":..}. Empty text: none. What cannot be read is none, as
// dockerd has it.
Credentials parse_registry_auth(std::string_view header);
// X-Registry-Config: of the registry at `domain` among those of several, by host or by the URL of `docker login`.
Credentials parse_registry_config(std::string_view header, std::string_view domain);
// The same object as plain JSON text: the body of POST /auth.
Result<Credentials> parse_auth_config(std::string_view json);

// How this engine reaches registries: its options.
struct RegistrySettings {
    std::vector<std::string> insecure;  // hosts, host:port, CIDRs
    std::vector<std::string> mirrors;   // URLs, for docker.io
    std::string certificates = "/etc/docker/certs.d";
    std::string http_proxy, https_proxy, no_proxy;
    std::string user_agent;
};

struct KnownBlob {
    std::string digest;
    std::vector<std::string> sources;  // repositories of the same registry that may hold it
};

struct RegistryJob {
    RegistrySettings settings;
    Credentials credentials;
    std::string domain;      // docker.io, localhost:5000
    std::string repository;  // library/busybox
    std::string reference;   // a tag or digest
    std::string familiar;    // for errors: busybox:latest
    std::string familiar_name;
    std::string platform;  // "" when the client did not choose
    std::string endpoint;  // of an earlier answer: the one to use
    std::string token;     // likewise
    std::string digest;    // of the blob
    int64_t size = -1;
    std::vector<KnownBlob> blobs;  // check
    std::string media_type;        // put: of the manifest
    std::string body;
    std::string config;  // put: the image's config
    std::string term;    // search
    int64_t limit = 0;
};

std::string encode_job(const RegistryJob& job);
Result<RegistryJob> decode_job(std::string_view text);

std::string base64_encode(std::string_view bytes);
// Standard or URL alphabet, padded or not. invalid: another byte.
Result<std::string> base64_decode(std::string_view text);

}  // namespace engine::storage
