// The pure parts of the registry client: challenges, manifests, platforms, endpoints, jobs.
#include <gtest/gtest.h>

#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/registry_challenge.h"
#include "engine/storage/registry_endpoint.h"
#include "engine/storage/registry_job.h"
#include "engine/storage/registry_manifest.h"

namespace engine::storage {
namespace {

TEST(Challenge, BearerAndBasic) {
    const auto one = parse_challenges(
        R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
    ASSERT_TRUE(one);
    ASSERT_EQ(one->size(), 1u);
    EXPECT_EQ((*one)[0].scheme, "bearer");
    EXPECT_EQ((*one)[0].parameters.at("realm"), "https://auth.docker.io/token");
    EXPECT_EQ((*one)[0].parameters.at("scope"), "repository:a/b:pull,push");
    const auto two = parse_challenges(R"(Basic realm="a \"quoted\" one", Bearer realm=plain , error="x")");
    ASSERT_TRUE(two);
    ASSERT_EQ(two->size(), 2u);
    EXPECT_EQ((*two)[0].parameters.at("realm"), "a \"quoted\" one");
    EXPECT_EQ((*two)[1].scheme, "bearer");
    EXPECT_EQ((*two)[1].parameters.at("error"), "x");
    const auto bare = parse_challenges("Negotiate, NTLM TlRM==, Basic");
    ASSERT_TRUE(bare);
    ASSERT_EQ(bare->size(), 3u);
    EXPECT_EQ((*bare)[2].scheme, "basic");
    EXPECT_TRUE(parse_challenges("")->empty());
}

TEST(Challenge, WhatCannotBeReadIsAnError) {
    for (const char* text : {R"(Bearer realm="open)", "=", "Bearer realm=\"a\" nonsense\"", "\"quoted\""})
        EXPECT_FALSE(parse_challenges(text)) << text;
    std::string many = "Bearer a0=1";
    for (size_t i = 1; i <= limits::challenge_parameters_max; i++) many += ",a" + std::to_string(i) + "=1";
    EXPECT_EQ(parse_challenges(many).error().kind(), ErrorKind::too_large);
}

const std::string digest_a = sha256_of("a");
const std::string digest_b = sha256_of("b");

std::string descriptor(const std::string& digest, const std::string& more = "") {
    return R"({"mediaType":"m","size":1,"digest":")" + digest + "\"" + more + "}";
}

TEST(Manifest, Images) {
    const auto parsed = parse_registry_manifest(
        R"({"schemaVersion":2,"config":)" + descriptor(digest_a) + R"(,"layers":[)" + descriptor(digest_b) + "]}",
        media::docker_manifest, "x:1");
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_FALSE(parsed->is_index);
    EXPECT_EQ(parsed->media_type, media::docker_manifest);
    EXPECT_EQ(parsed->config.digest, digest_a);
    ASSERT_EQ(parsed->layers.size(), 1u);
    const std::string made = make_docker_manifest(parsed->config, parsed->layers);
    const auto again = parse_registry_manifest(made, "", "x:1");
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->layers[0].digest, digest_b);
    EXPECT_TRUE(parse_registry_manifest(make_docker_manifest(parsed->config, {}), "", "x:1"));
}

TEST(Manifest, WhatIsNone) {
    const auto refused = [](const std::string& text) {
        const auto parsed = parse_registry_manifest(text, "text/html", "x:1");
        return parsed ? std::string("accepted") : parsed.error().message();
    };
    EXPECT_NE(refused("<html>").find("not a JSON object (content type \"text/html\")"), std::string::npos);
    EXPECT_NE(refused(R"({"schemaVersion":1,"name":"x"})").find("schema 1 support has been removed"),
              std::string::npos);
    EXPECT_NE(refused(R"({"schemaVersion":2})").find("neither"), std::string::npos);
    EXPECT_NE(refused(R"({"schemaVersion":2,"layers":[],"manifests":[]})").find("at once"), std::string::npos);
    EXPECT_NE(refused(R"({"schemaVersion":2,"layers":[]})").find("no config"), std::string::npos);
    EXPECT_NE(refused(R"({"schemaVersion":2,"layers":[{"digest":"sha256:12","size":1}],"config":)" +
                      descriptor(digest_a) + "}")
                  .find("not a digest"),
              std::string::npos);
    std::string many = R"({"schemaVersion":2,"config":)" + descriptor(digest_a) + R"(,"layers":[)";
    for (int i = 0; i < 10'000; i++) many += (i ? "," : "") + descriptor(digest_b);
    EXPECT_NE(refused(many + "]}").find("layers_per_image_max"), std::string::npos);
    EXPECT_NE(refused(std::string(limits::registry_manifest_bytes_max + 1, ' ')).find("registry_manifest_bytes_max"),
              std::string::npos);
}

std::string platform(const std::string& os, const std::string& arch, const std::string& variant = "") {
    return R"(,"platform":{"os":")" + os + R"(","architecture":")" + arch + "\"" +
           (variant.empty() ? "" : R"(,"variant":")" + variant + "\"") + "}";
}

std::string chosen(const std::vector<std::pair<std::string, std::string>>& entries, const char* wanted) {
    std::string text = R"({"schemaVersion":2,"manifests":[)";
    for (size_t i = 0; i < entries.size(); i++)
        text += (i ? "," : "") + descriptor(sha256_of(entries[i].first), entries[i].second);
    const auto parsed = parse_registry_manifest(text + "]}", media::oci_index, "x:1");
    if (!parsed) return parsed.error().message();
    const auto found = choose_manifest(*parsed, *parse_platform(wanted));
    if (!found) return found.error().message();
    for (const auto& [name, more] : entries)
        if (sha256_of(name) == found->digest) return name;
    return "?";
}

TEST(Manifest, PlatformIsChosen) {
    const std::vector<std::pair<std::string, std::string>> all = {
        {"amd64", platform("linux", "amd64")},     {"armv6", platform("linux", "arm", "v6")},
        {"armv7", platform("linux", "arm", "v7")}, {"arm64", platform("linux", "arm64", "v8")},
        {"windows", platform("windows", "amd64")}, {"attestation", platform("unknown", "unknown")},
    };
    EXPECT_EQ(chosen(all, "linux/amd64"), "amd64");
    EXPECT_EQ(chosen(all, "linux/x86_64"), "amd64");
    EXPECT_EQ(chosen(all, "linux/arm64"), "arm64");
    EXPECT_EQ(chosen(all, "linux/arm64/v8"), "arm64");
    EXPECT_EQ(chosen(all, "linux/arm"), "armv7");
    EXPECT_EQ(chosen(all, "linux/arm/v6"), "armv6");
    EXPECT_EQ(chosen(all, "linux/arm/v8"), "armv6");  // the first that can run
    EXPECT_EQ(chosen(all, "linux/s390x"), "no matching manifest for linux/s390x in the manifest list entries");
    EXPECT_FALSE(parse_platform("linux/amd64/v1/x"));
    EXPECT_FALSE(parse_platform("linux//"));
    EXPECT_FALSE(parse_platform("li nux/amd64"));
    EXPECT_EQ(parse_platform("arm64")->text(), "linux/arm64");
}

TEST(Endpoint, InsecureOnesAndMirrors) {
    RegistrySettings settings;
    settings.insecure = {"plain.example:5000", "10.1.0.0/16", "fd00::/8"};
    settings.mirrors = {"https://mirror.example/"};
    const auto urls = [&](const char* domain) {
        std::string out;
        for (const auto& one : endpoints_of(settings, domain)) out += one.url + (one.verify ? " " : "? ");
        return out;
    };
    EXPECT_EQ(urls("docker.io"), "https://mirror.example https://registry-1.docker.io ");
    EXPECT_EQ(urls("127.0.0.1:5000"), "https://127.0.0.1:5000? http://127.0.0.1:5000? ");
    EXPECT_EQ(urls("10.1.2.3"), "https://10.1.2.3? http://10.1.2.3? ");
    EXPECT_EQ(urls("10.2.2.3"), "https://10.2.2.3 ");
    EXPECT_EQ(urls("[fd12::1]:5000"), "https://[fd12::1]:5000? http://[fd12::1]:5000? ");
    EXPECT_EQ(urls("plain.example:5000"), "https://plain.example:5000? http://plain.example:5000? ");
    EXPECT_TRUE(address_in_network("192.168.1.9", "192.168.0.0/23"));
    EXPECT_FALSE(address_in_network("192.168.2.9", "192.168.0.0/23"));
    EXPECT_FALSE(address_in_network("::1", "127.0.0.0/8"));
    EXPECT_FALSE(address_in_network("1.2.3.4", "1.2.3.4/33"));
}

TEST(Endpoint, OriginIsWhatSharesCredentials) {
    EXPECT_EQ(origin_of("https://Host/v2/"), "https://host:443");
    EXPECT_EQ(origin_of("https://host:443/x?y"), "https://host:443");
    EXPECT_EQ(origin_of("http://host/"), "http://host:80");
    EXPECT_EQ(origin_of("https://user:pw@host/"), "https://host:443");
    EXPECT_EQ(origin_of("http://[::1]:5000/"), "http://[::1]:5000");
    EXPECT_NE(origin_of("https://host"), origin_of("https://host.evil"));
    EXPECT_EQ(origin_of("nonsense"), "");
}

TEST(Job, ComesBackAsItWent) {
    RegistryJob job;
    job.settings.insecure = {"a", "b"};
    job.credentials = {"ann", "pass\"word", "", "", ""};
    job.domain = "localhost:5000";
    job.body = "{\n \"x\": \"\\u00e9\"}";
    job.blobs = {{digest_a, {"r/one", "r/two"}}};
    job.size = 1 << 30;
    const auto back = decode_job(encode_job(job));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->settings.insecure, job.settings.insecure);
    EXPECT_EQ(back->credentials.password, job.credentials.password);
    EXPECT_EQ(back->body, job.body);
    EXPECT_EQ(back->blobs[0].sources, job.blobs[0].sources);
    EXPECT_EQ(back->size, job.size);
    EXPECT_FALSE(decode_job("[]"));
}

TEST(Job, Base64AndAuth) {
    for (const char* text : {"", "a", "ab", "abc", "abcd", "\xff\xfe\xfd"})
        EXPECT_EQ(*base64_decode(base64_encode(text)), text);
    EXPECT_EQ(*base64_decode("_-8"), *base64_decode("/+8="));
    EXPECT_FALSE(base64_decode("a b"));
    const auto who = parse_registry_auth(base64_encode(R"({"username":"ann","password":"x"})"));
    EXPECT_EQ(who.username, "ann");
    EXPECT_EQ(who.password, "x");
    EXPECT_TRUE(parse_registry_auth("not base64!").empty());
    EXPECT_TRUE(parse_registry_auth("").empty());
    const std::string several = base64_encode(
        R"({"reg:5000":{"username":"ann","password":"x"},"https://index.docker.io/v1/":{"identitytoken":"t"}})");
    EXPECT_EQ(parse_registry_config(several, "reg:5000").username, "ann");
    EXPECT_EQ(parse_registry_config(several, "docker.io").identity_token, "t");
    EXPECT_TRUE(parse_registry_config(several, "other").empty());
    EXPECT_TRUE(parse_registry_config("[]", "other").empty());
    EXPECT_TRUE(parse_registry_config("", "other").empty());
    EXPECT_EQ(parse_auth_config(R"({"auth":"YW5uOng6eQ=="})")->password, "x:y");
    EXPECT_FALSE(parse_auth_config("null"));
}

}  // namespace
}  // namespace engine::storage
