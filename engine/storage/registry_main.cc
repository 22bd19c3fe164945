// dockercd-registry VERB: speaks with one registry for the engine, and ends. It is the only process that has both
// foreign bytes and a network, so it has nothing else: no privileges, no files but what name look-up reads, no exec.
//   resolve   a tag or digest -> the image's manifest, config and layers
//   fetch     a blob -> descriptor 1, resumed where it was cut
//   check     which blobs the repository has already, or mounts from another
//   upload    descriptor 0 -> a blob
//   put       config and manifest
//   tags, inspect, search, login
#include <fcntl.h>
#include <simdjson.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/confine.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/manifest.h"
#include "engine/storage/registry_client.h"
#include "engine/storage/registry_records.h"
#include "engine/storage/registry_upload.h"
#include "engine/storage/tar_split.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

std::string accept_manifests() {
    std::string out = "Accept: ";
    for (const auto type : {media::docker_manifest, media::docker_list, media::oci_index, media::oci_manifest})
        out += std::string(type) + ", ";
    return out + "application/vnd.docker.distribution.manifest.v1+prettyjws";
}

Result<HttpAnswer> expect_success(RegistryClient& client, Result<HttpAnswer> answer, const char* method) {
    if (!answer || (answer->status >= 200 && answer->status < 300)) return answer;
    return fail(client.refusal(*answer, method));
}

struct FetchedManifest {
    std::string body;
    std::string digest;
    RegistryManifest parsed;
};

Result<FetchedManifest> fetch_manifest(RegistryClient& client, const RegistryJob& job, const std::string& reference) {
    HttpCall call;
    call.headers = {accept_manifests()};
    call.body_max = limits::registry_manifest_bytes_max;
    TRY(auto answer,
        expect_success(client, client.call(call, "/v2/" + job.repository + "/manifests/" + reference, "pull"), "GET"));
    FetchedManifest out;
    out.digest = sha256_of(answer.body);
    if (is_digest(reference) && out.digest != reference)
        return fail(ErrorKind::invalid, "manifest verification failed for digest " + reference + " of " + job.familiar);
    const std::string said = answer.header("docker-content-digest");
    if (!is_digest(reference) && is_digest(said) && said != out.digest)
        return fail(ErrorKind::invalid, "manifest verification failed for digest " + said + " of " + job.familiar);
    TRY(out.parsed, parse_registry_manifest(answer.body, answer.header("content-type"), job.familiar));
    out.body = std::move(answer.body);
    return out;
}

Result<std::string> fetch_small_blob(RegistryClient& client, const RegistryJob& job, const Descriptor& blob) {
    if (blob.size > static_cast<int64_t>(limits::json_blob_bytes_max))
        return fail(ErrorKind::too_large, "the config of " + job.familiar + " has " + std::to_string(blob.size) +
                                              " bytes, more than " + std::to_string(limits::json_blob_bytes_max) +
                                              " (json_blob_bytes_max)");
    HttpCall call;
    call.body_max = limits::json_blob_bytes_max;
    TRY(auto answer,
        expect_success(client, client.call(call, "/v2/" + job.repository + "/blobs/" + blob.digest, "pull"), "GET"));
    if (sha256_of(answer.body) != blob.digest)
        return fail(ErrorKind::invalid,
                    "the config of " + job.familiar + " is not what its digest " + blob.digest + " says");
    return std::move(answer.body);
}

void write_descriptor(json::Writer& w, const Descriptor& one) {
    w.begin_object().field("media_type", one.media_type).field("digest", one.digest).field("size", one.size);
    w.end_object();
}

bool is_image_config(std::string_view type) {
    return type == media::docker_config || type == media::oci_config || type.empty() ||
           type == "application/octet-stream";
}

Result<std::string> resolve(RegistryClient& client, const RegistryJob& job) {
    TRY(auto listed, fetch_manifest(client, job, job.reference));
    const std::string listed_digest = listed.digest;
    TRY(const Platform wanted, parse_platform(job.platform));
    FetchedManifest image = std::move(listed);
    for (size_t depth = 0; image.parsed.is_index; depth++) {
        if (depth >= limits::index_depth_max)
            return fail(ErrorKind::invalid,
                        "the index of " + job.familiar + " holds an index in an index too often (index_depth_max)");
        TRY(const Descriptor chosen, choose_manifest(image.parsed, wanted));
        TRY(image, fetch_manifest(client, job, chosen.digest));
    }
    const RegistryManifest& manifest = image.parsed;
    if (!is_image_config(manifest.config.media_type))
        return fail(ErrorKind::invalid, "Encountered remote \"" + manifest.config.media_type +
                                            "\"(unknown) when fetching " + job.familiar + ": it is no image");
    TRY(const std::string config, fetch_small_blob(client, job, manifest.config));
    TRY(const ConfigFacts facts, read_config(config));
    if (!facts.os.empty() && facts.os != "linux")
        return fail(ErrorKind::invalid, "image operating system \"" + facts.os + "\" cannot be used on this platform");
    if (facts.diff_ids.size() != manifest.layers.size())
        return fail(ErrorKind::invalid, "invalid manifest of " + job.familiar + ": it has " +
                                            std::to_string(manifest.layers.size()) + " layers, its config " +
                                            std::to_string(facts.diff_ids.size()));
    json::Writer w;
    w.begin_object().field("endpoint", client.endpoint()).field("token", client.token());
    w.field("manifest", image.body).field("media_type", manifest.media_type).field("digest", image.digest);
    w.field("listed_digest", listed_digest).field("config", config).field("diff_ids", facts.diff_ids);
    w.field("architecture", facts.architecture).field("os", facts.os).field("variant", facts.variant);
    w.key("layers").begin_array();
    for (const Descriptor& layer : manifest.layers) write_descriptor(w, layer);
    return w.end_array().end_object().take();
}

// The bytes of a blob in order, whatever it takes.
class BlobFetch {
public:
    BlobFetch(RegistryClient& client, const RegistryJob& job) : client_(client), job_(job) {}
    Result<void> run();

private:
    bool take(long status, const std::map<std::string, std::string>& headers, std::string_view bytes);
    Result<void> again(Error why);

    RegistryClient& client_;
    const RegistryJob& job_;
    ArchiveFdSink out_{1};
    Result<void> stopped_;
    int64_t have_ = 0;
    int64_t skip_ = 0;    // of an answer that began at 0 although asked otherwise
    bool began_ = false;  // this answer's first bytes came
    ProgressTeller teller_;
    int futile_ = 0;  // attempts since the last byte
};

bool BlobFetch::take(long status, const std::map<std::string, std::string>& headers, std::string_view bytes) {
    if (!began_) {
        began_ = true;
        skip_ = status == 206 ? 0 : have_;
        const auto range = headers.find("content-range");
        if (status == 206 &&
            (range == headers.end() || !range->second.starts_with("bytes " + std::to_string(have_) + "-"))) {
            stopped_ = fail(ErrorKind::invalid, "the registry answered another range than it was asked for");
            return false;
        }
    }
    if (skip_ > 0) {
        const size_t part = static_cast<size_t>(std::min<int64_t>(skip_, static_cast<int64_t>(bytes.size())));
        skip_ -= static_cast<int64_t>(part);
        bytes.remove_prefix(part);
    }
    if (bytes.empty()) return true;
    if (have_ + static_cast<int64_t>(bytes.size()) > job_.size) {
        stopped_ =
            fail(ErrorKind::invalid, "it is larger than its descriptor says (" + std::to_string(job_.size) + " bytes)");
        return false;
    }
    futile_ = 0;
    have_ += static_cast<int64_t>(bytes.size());
    stopped_ = out_.write(bytes);
    if (!stopped_) return false;
    teller_.now_at(have_);
    return true;
}

Result<void> BlobFetch::again(Error why) {
    if (why.kind() != ErrorKind::unavailable || ++futile_ >= limits::registry_attempts_max) return fail(std::move(why));
    pause_before_retry(futile_ - 1);
    return {};
}

Result<void> BlobFetch::run() {
    while (have_ < job_.size || job_.size == 0) {
        HttpCall call;
        began_ = false;
        if (have_ > 0) call.headers = {"Range: bytes=" + std::to_string(have_) + "-"};
        call.sink = [this](long status, const auto& headers, std::string_view bytes) {
            return take(status, headers, bytes);
        };
        auto answer = client_.call(call, "/v2/" + job_.repository + "/blobs/" + job_.digest, "pull");
        if (!stopped_) return std::move(stopped_);
        if (!answer) {
            if (job_.endpoint.empty()) return fail(std::move(answer).error());  // another endpoint may have it
            TRY_VOID(again(std::move(answer).error()));
            continue;
        }
        if (answer->status < 200 || answer->status >= 300) {
            if (answer->status != 416) return fail(client_.refusal(*answer, "GET"));
            return fail(ErrorKind::invalid,
                        "it is smaller than its descriptor says (" + std::to_string(job_.size) + " bytes)");
        }
        if (have_ < job_.size) {
            TRY_VOID(again(Error(ErrorKind::unavailable, "unexpected EOF: " + std::to_string(have_) + " of " +
                                                             std::to_string(job_.size) + " bytes came")));
        }
        if (job_.size == 0) break;
    }
    tell_progress(have_);
    return {};
}

Result<std::string> fetch(RegistryClient& client, const RegistryJob& job) {
    BlobFetch blob(client, job);
    TRY_VOID(blob.run());
    json::Writer w;
    return w.begin_object().field("token", client.token()).end_object().take();
}

Result<std::string> state_of(RegistryClient& client, const RegistryJob& job, const KnownBlob& blob) {
    HttpCall look;
    look.method = "HEAD";
    TRY(const auto there, client.call(look, "/v2/" + job.repository + "/blobs/" + blob.digest, "pull,push"));
    if (there.status == 200) return std::string("exists");
    if (there.status == 401 || there.status == 403) return fail(client.refusal(there, "HEAD"));
    for (const std::string& source : blob.sources) {
        if (source == job.repository) continue;
        client.add_pull_scope(source);
        HttpCall mount;
        mount.method = "POST";
        TRY(const auto answer, client.call(mount,
                                           "/v2/" + job.repository + "/blobs/uploads/?from=" + url_escape(source) +
                                               "&mount=" + url_escape(blob.digest),
                                           "pull,push"));
        if (answer.status == 201) return "mounted:" + source;
        if (answer.status != 202) break;
        // An upload was begun instead: not wanted now.
        if (const std::string location = answer.header("location"); !location.empty()) {
            HttpCall cancel;
            cancel.method = "DELETE";
            const std::string path = location.starts_with("http") ? location : location;
            ignore_result(client.call(cancel, path, "pull,push"), "the registry drops it by itself later");
        }
    }
    return std::string("missing");
}

Result<std::string> check(RegistryClient& client, const RegistryJob& job) {
    // Asked first of all: whether pushing here is allowed.
    std::vector<std::string> states;
    for (const KnownBlob& blob : job.blobs) {
        TRY(std::string state, state_of(client, job, blob));
        states.push_back(std::move(state));
    }
    if (job.blobs.empty()) {
        HttpCall look;
        TRY(const auto answer, client.call(look, "/v2/", "pull,push"));
        if (answer.status != 200) return fail(client.refusal(answer, "GET"));
    }
    json::Writer w;
    w.begin_object().field("endpoint", client.endpoint()).field("token", client.token()).field("states", states);
    return w.end_object().take();
}

Result<std::string> put(RegistryClient& client, const RegistryJob& job) {
    TRY_VOID(put_small_blob(client, job, job.config));
    HttpCall call;
    call.method = "PUT";
    call.headers = {"Content-Type: " + job.media_type};
    call.body = job.body;
    TRY(const auto answer, client.call(call, "/v2/" + job.repository + "/manifests/" + job.reference, "pull,push"));
    if (answer.status < 200 || answer.status >= 300) return fail(client.refusal(answer, "PUT"));
    json::Writer w;
    return w.begin_object().field("digest", sha256_of(job.body)).end_object().take();
}

// The next page's path: `Link: </v2/x/tags/list?last=b&n=2>; rel="next"`.
std::string next_page(const HttpAnswer& answer) {
    const std::string link = answer.header("link");
    const size_t begin = link.find('<');
    const size_t end = link.find('>');
    if (begin == std::string::npos || end == std::string::npos || end < begin ||
        link.find("next", end) == std::string::npos)
        return "";
    const std::string target = link.substr(begin + 1, end - begin - 1);
    if (!target.starts_with("http")) return target;
    return origin_of(target) == origin_of(answer.url) ? target : "";
}

Result<std::vector<std::string>> all_pages(RegistryClient& client, const RegistryJob& job, std::string path,
                                           const char* key, const std::string& actions, size_t max) {
    std::vector<std::string> out;
    while (!path.empty()) {
        TRY(const auto answer, expect_success(client, client.call({}, path, actions), "GET"));
        simdjson::dom::parser parser;
        element root;
        array items;
        if (parser.parse(answer.body.data(), answer.body.size()).get(root) != simdjson::SUCCESS)
            return fail(ErrorKind::invalid, "the list of " + job.familiar_name + " is not JSON");
        if (root[key].get(items) == simdjson::SUCCESS)
            for (element item : items) {
                std::string_view text;
                if (item.get(text) == simdjson::SUCCESS) out.emplace_back(text);
            }
        if (out.size() > max)
            return fail(ErrorKind::too_large,
                        job.familiar_name + " has more than " + std::to_string(max) + " names (registry_tags_max)");
        const std::string next = next_page(answer);
        if (next == path) break;
        path = next;
    }
    return out;
}

Result<std::string> tags(RegistryClient& client, const RegistryJob& job) {
    TRY(const auto names,
        all_pages(client, job, "/v2/" + job.repository + "/tags/list", "tags", "pull", limits::registry_tags_max));
    json::Writer w;
    return w.begin_object().field("tags", names).end_object().take();
}

void write_platform(json::Writer& w, const Platform& platform) {
    w.begin_object().field("architecture", platform.architecture).field("os", platform.os);
    if (!platform.variant.empty()) w.field("variant", platform.variant);
    w.end_object();
}

// The answer of GET /distribution/{name}/json itself.
Result<std::string> inspect(RegistryClient& client, const RegistryJob& job) {
    TRY(const auto found, fetch_manifest(client, job, job.reference));
    json::Writer w;
    w.begin_object().key("Descriptor").begin_object().field("mediaType", found.parsed.media_type);
    w.field("digest", found.digest).field("size", found.body.size()).end_object().key("Platforms").begin_array();
    if (found.parsed.is_index) {
        for (const IndexEntry& entry : found.parsed.entries)
            if (entry.platform) write_platform(w, *entry.platform);
    } else {
        TRY(const std::string config, fetch_small_blob(client, job, found.parsed.config));
        TRY(const ConfigFacts facts, read_config(config));
        Platform platform;
        platform.os = facts.os;
        platform.architecture = facts.architecture;
        platform.variant = facts.variant;
        if (!facts.os.empty() || !facts.architecture.empty()) write_platform(w, platform);
    }
    const std::string answer = w.end_array().end_object().take();
    json::Writer out;
    return out.begin_object().field("answer", answer).end_object().take();
}

struct Found {
    std::string name, description;
    int64_t stars = 0;
    bool official = false, automated = false;
};

Result<std::vector<Found>> parse_search(const std::string& body, const std::string& where) {
    simdjson::dom::parser parser;
    element root;
    array results;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
        root["results"].get(results) != simdjson::SUCCESS)
        return fail(ErrorKind::unavailable, where + " did not answer with search results");
    std::vector<Found> out;
    for (element item : results) {
        Found one;
        std::string_view text;
        if (item["name"].get(text) == simdjson::SUCCESS) one.name = text;
        if (item["description"].get(text) == simdjson::SUCCESS) one.description = text;
        if (item["star_count"].get(one.stars) != simdjson::SUCCESS) one.stars = 0;
        if (item["is_official"].get(one.official) != simdjson::SUCCESS) one.official = false;
        if (item["is_automated"].get(one.automated) != simdjson::SUCCESS) one.automated = false;
        out.push_back(std::move(one));
    }
    return out;
}

// The old search API where there is one; the list of repositories elsewhere.
Result<std::string> search(RegistryClient& client, const RegistryJob& job) {
    HttpCall call;
    std::string path = "/v1/search?q=" + url_escape(job.term) + "&n=" + std::to_string(job.limit);
    if (job.domain == "docker.io") path = "https://index.docker.io" + path;
    TRY(const auto answer, client.call(call, path, ""));
    std::vector<Found> found;
    if (answer.status == 200) {
        TRY(found, parse_search(answer.body, answer.url));
    } else if (answer.status == 404 && job.domain != "docker.io") {
        TRY(const auto names, all_pages(client, job, "/v2/_catalog?n=1000", "repositories", "", size_t{1} << 16));
        for (const std::string& name : names)
            if (name.find(job.term) != std::string::npos && static_cast<int64_t>(found.size()) < job.limit)
                found.push_back({name, "", 0, false, false});
    } else {
        return fail(ErrorKind::unavailable,
                    "Unexpected status code " + std::to_string(answer.status) + " from " + answer.url);
    }
    json::Writer w;
    w.begin_object().key("results").begin_array();
    for (const Found& one : found) {
        w.begin_object().field("name", (job.domain == "docker.io" ? "" : job.domain + "/") + one.name);
        w.field("description", one.description).field("star_count", one.stars);
        w.field("is_official", one.official).field("is_automated", one.automated).end_object();
    }
    return w.end_array().end_object().take();
}

Result<std::string> login(RegistryClient& client, const RegistryJob&) {
    TRY(const auto answer, client.call({}, "/v2/", ""));
    if (answer.status != 200)
        return fail(ErrorKind::unauthorized, "login attempt to " + client.endpoint() +
                                                 "/v2/ failed with status: " + std::to_string(answer.status) +
                                                 (answer.status == 401 ? " Unauthorized" : ""));
    json::Writer w;
    return w.begin_object().field("identity_token", client.identity_token()).end_object().take();
}

using Verb = Result<std::string> (*)(RegistryClient&, const RegistryJob&);

Verb verb_of(std::string_view name) {
    static constexpr std::pair<std::string_view, Verb> verbs[] = {
        {"resolve", resolve}, {"fetch", fetch},     {"check", check},   {"upload", upload}, {"put", put},
        {"tags", tags},       {"inspect", inspect}, {"search", search}, {"login", login}};
    for (const auto& [verb, function] : verbs)
        if (verb == name) return function;
    return nullptr;
}

Result<RegistryJob> read_job() {
    std::string text;
    char buffer[65536];
    while (true) {
        const ssize_t got = ::read(registry_job_fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read the job");
        if (got == 0) return decode_job(text);
        text.append(buffer, static_cast<size_t>(got));
    }
}

Result<std::string> run(std::string_view name) {
    TRY(const RegistryJob job, read_job());
    TRY(const Certificates certificates, read_certificates(job.settings.certificates, job.domain));
    TRY_VOID(confine_to_network());
    const Verb verb = verb_of(name);
    if (verb == nullptr) return fail(ErrorKind::internal, "unknown registry verb " + std::string(name));
    RegistryClient client(job, certificates, tell_retry);
    auto done = client.each_endpoint<std::string>([&] { return verb(client, job); });
    if (done) return done;
    // 401 is dockerd's answer to a login alone: of a pull it would make clients ask for a password. What a registry
    // cannot do is no 503 of the engine; upload's retries look at the kind.
    const ErrorKind kind = done.error().kind();
    const bool hidden =
        (kind == ErrorKind::unauthorized && name != "login") || (kind == ErrorKind::unavailable && name != "upload");
    if (hidden) return fail(std::move(done).error().with_kind(ErrorKind::internal));
    return done;
}

}  // namespace
}  // namespace engine::storage

int main(int argc, char** argv) {
    using namespace engine::storage;
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // nobody is left to read the answer
    if (argc != 2) return 2;
    const auto done = run(argv[1]);
    tell(done ? *done : encode_error(done.error()));
    _exit(done ? 0 : 1);  // nothing is taken apart, nor looked through by a sanitizer, which may not what it wants here
}
