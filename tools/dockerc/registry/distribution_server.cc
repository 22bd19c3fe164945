#include "tools/dockerc/registry/distribution_server.h"

#include <crypt.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "engine/reactor/io.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/reference.h"
#include "engine/storage/registry_job.h"
#include "engine/storage/registry_manifest.h"

namespace engine::registry {
namespace {

constexpr std::size_t piece_bytes = 256 << 10;
constexpr std::size_t manifest_bytes_max = 4 << 20;
constexpr std::size_t page_max = 1000;
constexpr const char* octets = "application/octet-stream";

std::string quoted_id(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

}  // namespace

struct DistributionServer::Path {
    enum class Kind { root, catalog, blob, uploads, upload, manifest, tags, referrers, nothing } kind = Kind::nothing;
    std::string repository;
    std::string what;  // digest, tag, upload's id

    static Path parse(std::string_view path);
};

DistributionServer::Path DistributionServer::Path::parse(std::string_view path) {
    Path out;
    if (!path.starts_with("/v2")) return out;
    path.remove_prefix(3);
    if (path.empty() || path == "/") return {Kind::root, "", ""};
    path.remove_prefix(1);
    if (path == "_catalog") return {Kind::catalog, "", ""};
    if (path.ends_with("/tags/list")) {
        out = {Kind::tags, std::string(path.substr(0, path.size() - 10)), ""};
    } else if (path.ends_with("/blobs/uploads/") || path.ends_with("/blobs/uploads")) {
        out = {Kind::uploads, std::string(path.substr(0, path.rfind("/blobs/uploads"))), ""};
    } else {
        const std::size_t slash = path.rfind('/');
        if (slash == std::string_view::npos) return out;
        const auto last = path.substr(slash + 1);
        const auto before = path.substr(0, slash);
        static constexpr std::pair<std::string_view, Kind> kinds[] = {{"/blobs/uploads", Kind::upload},
                                                                      {"/blobs", Kind::blob},
                                                                      {"/manifests", Kind::manifest},
                                                                      {"/referrers", Kind::referrers}};
        for (const auto& [end, kind] : kinds) {
            if (!before.ends_with(end)) continue;
            out = {kind, std::string(before.substr(0, before.size() - end.size())), std::string(last)};
            break;
        }
    }
    return out;
}

Task<void> DistributionServer::refuse(api::Response& response, int status, std::string code, std::string message) {
    json::Writer w;
    w.begin_object().key("errors").begin_array().begin_object().field("code", code).field("message", message);
    w.field_null("detail").end_object().end_array().end_object();
    std::string body = w.take();
    auto sent = co_await response.send_json(status, std::move(body));
    co_return sent;
}

Task<void> DistributionServer::fail_with(api::Response& response, const Error& error, const char* code) {
    const bool unknown = error.kind() == ErrorKind::not_found;
    const int status = unknown ? 404 : error.kind() == ErrorKind::invalid ? 400 : 500;
    std::string shown = unknown || status == 400 ? code : "UNKNOWN";
    std::string message = error.message();
    auto sent = co_await refuse(response, status, std::move(shown), std::move(message));
    co_return sent;
}

// crypt(3) takes long by design: what was right once is known by its hash.
bool DistributionServer::may_enter(const api::Request& request) {
    if (users_.empty()) return true;
    const std::string_view header = request.header("authorization");
    if (!header.starts_with("Basic ")) return false;
    const std::string seen = storage::sha256_of(header);
    if (known_.contains(seen)) return true;
    const auto plain = storage::base64_decode(header.substr(6));
    if (!plain) return false;
    const std::size_t colon = plain->find(':');
    if (colon == std::string::npos) return false;
    const auto user = users_.find(plain->substr(0, colon));
    if (user == users_.end()) return false;
    crypt_data work{};
    const char* made = ::crypt_r(plain->c_str() + colon + 1, user->second.c_str(), &work);
    if (made == nullptr || user->second != made) return false;
    known_.insert(seen);
    return true;
}

Task<void> DistributionServer::answer(api::Request& request, api::Response& response) {
    response.add_header("Docker-Distribution-Api-Version", "registry/2.0");
    response.add_header("X-Content-Type-Options", "nosniff");
    if (!may_enter(request)) {
        response.add_header("Www-Authenticate", "Basic realm=\"dockerc registry\"");
        auto sent = co_await refuse(response, 401, "UNAUTHORIZED", "authentication required");
        co_return sent;
    }
    CO_TRY(const std::string decoded, api::url_decode(request.path, false));
    const Path path = Path::parse(decoded);
    const bool named = path.kind != Path::Kind::root && path.kind != Path::Kind::catalog;
    if (path.kind == Path::Kind::nothing || (named && !is_repository_name(path.repository))) {
        const int status = path.kind == Path::Kind::nothing ? 404 : 400;
        auto sent = co_await refuse(response, status, "NAME_INVALID", "invalid repository name");
        co_return sent;
    }
    if (mirror_ && request.method != "GET" && request.method != "HEAD") {
        auto sent = co_await refuse(response, 405, "UNSUPPORTED",
                                    "this registry serves an engine's images: nothing can be pushed or deleted");
        co_return sent;
    }
    switch (path.kind) {
        case Path::Kind::root: {
            std::string body = "{}";
            auto sent = co_await response.send_json(200, std::move(body));
            co_return sent;
        }
        case Path::Kind::catalog: {
            auto sent = co_await catalog(request, response);
            co_return sent;
        }
        case Path::Kind::tags: {
            auto sent = co_await tags(request, response, path);
            co_return sent;
        }
        case Path::Kind::referrers: {
            auto sent = co_await referrers(request, response, path);
            co_return sent;
        }
        case Path::Kind::blob: {
            auto sent = co_await blob(request, response, path);
            co_return sent;
        }
        case Path::Kind::uploads: {
            auto sent = co_await begin_upload(request, response, path);
            co_return sent;
        }
        case Path::Kind::upload: {
            auto sent = co_await upload(request, response, path);
            co_return sent;
        }
        default: {
            auto sent = co_await manifest(request, response, path);
            co_return sent;
        }
    }
}

Task<void> DistributionServer::blob(api::Request& request, api::Response& response, const Path& path) {
    if (!storage::is_digest(path.what)) {
        auto sent = co_await refuse(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        co_return sent;
    }
    if (request.method == "DELETE") {
        if (auto gone = store_.unlink_blob(path.repository, path.what); !gone) {
            auto sent = co_await fail_with(response, gone.error(), "BLOB_UNKNOWN");
            co_return sent;
        }
        auto sent = co_await response.send_empty(202);
        co_return sent;
    }
    if (request.method != "GET" && request.method != "HEAD") {
        auto sent = co_await refuse(response, 405, "UNSUPPORTED", "The operation is unsupported.");
        co_return sent;
    }
    auto sent = co_await send_blob(request, response, path);
    co_return sent;
}

namespace {

struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;  // one past
    bool partial = false;
    bool bad = false;
};

// "bytes=a-b", "bytes=a-", "bytes=-n"; several ranges or nonsense: the whole.
Range range_of(std::string_view header, std::uint64_t size) {
    Range out{0, size, false, false};
    if (!header.starts_with("bytes=") || header.find(',') != std::string_view::npos) return out;
    header.remove_prefix(6);
    const std::size_t dash = header.find('-');
    if (dash == std::string_view::npos) return out;
    const auto number = [](std::string_view text, std::uint64_t& value) {
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        return !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    };
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    const bool has_first = number(header.substr(0, dash), first);
    const bool has_last = number(header.substr(dash + 1), last);
    if (!has_first && !has_last) return out;
    out.partial = true;
    if (!has_first) {
        out.begin = last >= size ? 0 : size - last;
        out.bad = last == 0;
        return out;
    }
    out.begin = first;
    if (has_last) out.end = std::min(size, last + 1);
    out.bad = first >= size || (has_last && last < first);
    return out;
}

}  // namespace

Task<void> DistributionServer::send_blob(api::Request& request, api::Response& response, const Path& path) {
    auto found = store_.blob(path.repository, path.what);
    if (!found) {
        auto sent = co_await fail_with(response, found.error(), "BLOB_UNKNOWN");
        co_return sent;
    }
    const Range range = range_of(request.header("range"), found->size);
    response.add_header("Accept-Ranges", "bytes");
    response.add_header("Docker-Content-Digest", path.what);
    response.add_header("Etag", quoted_id(path.what));
    if (range.bad) {
        response.add_header("Content-Range", "bytes */" + std::to_string(found->size));
        auto sent = co_await refuse(response, 416, "RANGE_INVALID", "invalid content range");
        co_return sent;
    }
    if (range.partial)
        response.add_header("Content-Range", "bytes " + std::to_string(range.begin) + "-" +
                                                 std::to_string(range.end - 1) + "/" + std::to_string(found->size));
    const int status = range.partial ? 206 : 200;
    const std::uint64_t length = range.end - range.begin;
    CO_TRY_VOID(co_await response.begin_sized(status, octets, length));
    if (request.method == "HEAD") co_return Result<void>{};
    std::vector<std::byte> buffer(piece_bytes);
    for (std::uint64_t at = range.begin; at < range.end;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.end - at));
        const std::span<std::byte> room(buffer.data(), wanted);
        CO_TRY(const std::size_t got, co_await io::read(found->fd.get(), room, request.stop, at));
        if (got == 0) co_return fail(ErrorKind::internal, "a blob is shorter than it was");
        const std::span<const std::byte> bytes(buffer.data(), got);
        CO_TRY_VOID(co_await response.write(bytes));
        at += got;
    }
    co_return Result<void>{};
}

Task<void> DistributionServer::begin_upload(api::Request& request, api::Response& response, const Path& path) {
    if (request.method != "POST") {
        auto sent = co_await refuse(response, 405, "UNSUPPORTED", "The operation is unsupported.");
        co_return sent;
    }
    const std::string mount(request.parameter("mount"));
    const std::string from(request.parameter("from"));
    if (storage::is_digest(mount)) {
        const bool there = from.empty() ? store_.has_blob(mount) && users_.empty()
                                        : is_repository_name(from) && store_.blob(from, mount).has_value();
        if (there && store_.link_blob(path.repository, mount)) {
            response.add_header("Location", "/v2/" + path.repository + "/blobs/" + mount);
            response.add_header("Docker-Content-Digest", mount);
            auto sent = co_await response.send_empty(201);
            co_return sent;
        }
    }
    CO_TRY(const std::string id, store_.begin_upload());
    uploads_[id] = std::make_unique<Uploading>();
    if (!request.parameter("digest").empty()) {  // all in one POST
        const Path whole{Path::Kind::upload, path.repository, id};
        auto sent = co_await finish_upload(request, response, whole);
        co_return sent;
    }
    response.add_header("Location", "/v2/" + path.repository + "/blobs/uploads/" + id);
    response.add_header("Docker-Upload-Uuid", id);
    response.add_header("Range", "0-0");
    auto sent = co_await response.send_empty(202);
    co_return sent;
}

Task<void> DistributionServer::upload(api::Request& request, api::Response& response, const Path& path) {
    auto there = store_.upload(path.what);
    if (!there) {
        auto sent = co_await fail_with(response, there.error(), "BLOB_UPLOAD_UNKNOWN");
        co_return sent;
    }
    if (request.method == "PUT") {
        auto sent = co_await finish_upload(request, response, path);
        co_return sent;
    }
    if (request.method == "DELETE") {
        uploads_.erase(path.what);
        store_.cancel_upload(path.what);
        auto sent = co_await response.send_empty(204);
        co_return sent;
    }
    std::uint64_t size = there->size;
    if (request.method == "PATCH") {
        CO_TRY(const bool received, co_await receive(request, response, path));
        if (!received) co_return Result<void>{};
        CO_TRY(const auto after, store_.upload(path.what));
        size = after.size;
    } else if (request.method != "GET") {
        auto sent = co_await refuse(response, 405, "UNSUPPORTED", "The operation is unsupported.");
        co_return sent;
    }
    response.add_header("Location", "/v2/" + path.repository + "/blobs/uploads/" + path.what);
    response.add_header("Docker-Upload-Uuid", path.what);
    response.add_header("Range", "0-" + std::to_string(size == 0 ? 0 : size - 1));
    const int status = request.method == "GET" ? 204 : 202;
    auto sent = co_await response.send_empty(status);
    co_return sent;
}

// The body is appended; its hash goes on from where it was, or, after a restart, from the file.
Task<bool> DistributionServer::receive(api::Request& request, api::Response& response, const Path& path) {
    CO_TRY(auto file, store_.upload(path.what));
    auto& kept = uploads_[path.what];
    if (!kept) kept = std::make_unique<Uploading>();
    Uploading* state = kept.get();
    if (state->busy) {
        CO_TRY_VOID(co_await refuse(response, 409, "BLOB_UPLOAD_INVALID", "another request sends to this upload"));
        co_return false;
    }
    const std::string_view range = request.header("content-range");
    if (!range.empty()) {
        const auto digits = range.starts_with("bytes ") ? range.substr(6) : range;
        std::uint64_t first = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), first);
        if (first != file.size) {
            response.add_header("Location", "/v2/" + path.repository + "/blobs/uploads/" + path.what);
            response.add_header("Range", "0-" + std::to_string(file.size == 0 ? 0 : file.size - 1));
            CO_TRY_VOID(co_await refuse(response, 416, "RANGE_INVALID", "invalid content range"));
            co_return false;
        }
    }
    state->busy = true;
    std::vector<std::byte> buffer(piece_bytes);
    Result<void> done;
    while (done && state->size < file.size) {
        const std::span<std::byte> room(buffer);
        auto got = co_await io::read(file.fd.get(), room, request.stop, state->size);
        if (!got || *got == 0) {
            done = Result<void>(tl::unexpect, got ? Error(ErrorKind::internal, "an upload is shorter than it was")
                                                  : std::move(got).error());
            break;
        }
        state->hash.update(buffer.data(), *got);
        state->size += *got;
    }
    while (done) {
        const std::span<std::byte> room(buffer);
        auto got = co_await request.body->read(room);
        if (!got) done = Result<void>(tl::unexpect, std::move(got).error());
        if (!done || *got == 0) break;
        const std::size_t length = *got;
        for (std::size_t put = 0; done && put < length;) {
            const std::span<const std::byte> bytes(buffer.data() + put, length - put);
            auto wrote = co_await io::write(file.fd.get(), bytes, request.stop, state->size + put);
            if (!wrote) done = Result<void>(tl::unexpect, std::move(wrote).error());
            if (wrote) put += *wrote;
        }
        if (!done) break;
        state->hash.update(buffer.data(), length);
        state->size += length;
    }
    state->busy = false;
    CO_TRY_VOID(std::move(done));
    co_return true;
}

Task<void> DistributionServer::finish_upload(api::Request& request, api::Response& response, const Path& path) {
    const std::string digest(request.parameter("digest"));
    if (!storage::is_digest(digest)) {
        auto sent = co_await refuse(response, 400, "DIGEST_INVALID", "digest parameter missing or not sha256");
        co_return sent;
    }
    CO_TRY(const bool received, co_await receive(request, response, path));
    if (!received) co_return Result<void>{};
    const std::string made = uploads_[path.what]->hash.finish();
    uploads_.erase(path.what);
    if (made != digest) {
        store_.cancel_upload(path.what);
        auto sent = co_await refuse(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        co_return sent;
    }
    CO_TRY_VOID(store_.finish_upload(path.what, path.repository, digest));
    response.add_header("Location", "/v2/" + path.repository + "/blobs/" + digest);
    response.add_header("Docker-Content-Digest", digest);
    auto sent = co_await response.send_empty(201);
    co_return sent;
}

Task<void> DistributionServer::manifest(api::Request& request, api::Response& response, const Path& path) {
    const bool by_digest = storage::is_digest(path.what);
    if (!by_digest && !storage::is_tag(path.what)) {
        auto sent = co_await refuse(response, 400, "MANIFEST_INVALID", "manifest invalid: neither a tag nor a digest");
        co_return sent;
    }
    if (request.method == "PUT") {
        auto sent = co_await put_manifest(request, response, path);
        co_return sent;
    }
    if (request.method == "DELETE") {
        auto gone = store_.delete_manifest(path.repository, path.what);
        if (!gone) {
            auto sent = co_await fail_with(response, gone.error(), "MANIFEST_UNKNOWN");
            co_return sent;
        }
        auto sent = co_await response.send_empty(202);
        co_return sent;
    }
    if (request.method != "GET" && request.method != "HEAD") {
        auto sent = co_await refuse(response, 405, "UNSUPPORTED", "The operation is unsupported.");
        co_return sent;
    }
    Result<void> brought;
    const bool copied = mirror_ && !by_digest;
    if (copied) brought = co_await mirror_->bring(path.repository, path.what, request.stop);
    if (!brought) {
        auto sent = co_await fail_with(response, brought.error(), "MANIFEST_UNKNOWN");
        co_return sent;
    }
    auto found = store_.manifest(path.repository, path.what);
    if (!found) {
        auto sent = co_await fail_with(response, found.error(), "MANIFEST_UNKNOWN");
        co_return sent;
    }
    response.add_header("Docker-Content-Digest", found->digest);
    response.add_header("Etag", quoted_id(found->digest));
    const std::string_view body = found->body;
    auto sent = co_await response.send(200, found->media_type, body);
    co_return sent;
}

namespace {

struct ManifestFacts {
    std::string media_type, subject, artifact_type, annotations;
    std::vector<std::string> blobs, manifests;
};

Result<ManifestFacts> facts_of(std::string_view body, std::string_view content_type) {
    using simdjson::dom::element;
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::invalid, "manifest invalid: it is not a JSON object");
    const auto text = [](element from, const char* key) {
        std::string_view out;
        return from[key].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
    };
    ManifestFacts out;
    out.media_type = text(root, "mediaType");
    if (out.media_type.empty()) out.media_type = content_type.substr(0, content_type.find(';'));
    out.artifact_type = text(root, "artifactType");
    element config;
    if (root["config"].get(config) == simdjson::SUCCESS) {
        out.blobs.push_back(text(config, "digest"));
        if (out.artifact_type.empty()) out.artifact_type = text(config, "mediaType");
    }
    const auto digests = [&](const char* key, std::vector<std::string>& into) {
        simdjson::dom::array items;
        if (root[key].get(items) != simdjson::SUCCESS) return;
        for (element item : items) {
            element urls;
            if (item["urls"].get(urls) == simdjson::SUCCESS && !urls.is_null()) continue;  // held elsewhere
            into.push_back(text(item, "digest"));
        }
    };
    digests("layers", out.blobs);
    digests("manifests", out.manifests);
    element subject;
    if (root["subject"].get(subject) == simdjson::SUCCESS) out.subject = text(subject, "digest");
    element annotations;
    if (root["annotations"].get(annotations) == simdjson::SUCCESS) out.annotations = simdjson::minify(annotations);
    for (const auto* list : {&out.blobs, &out.manifests})
        for (const std::string& digest : *list)
            if (!storage::is_digest(digest)) return fail(ErrorKind::invalid, "manifest invalid: a digest is malformed");
    if (!out.subject.empty() && !storage::is_digest(out.subject))
        return fail(ErrorKind::invalid, "manifest invalid: the subject's digest is malformed");
    return out;
}

std::string referrer_descriptor(const ManifestFacts& facts, const std::string& digest, std::size_t size) {
    json::Writer w;
    w.begin_object().field("mediaType", facts.media_type).field("digest", digest).field("size", size);
    if (!facts.artifact_type.empty()) w.field("artifactType", facts.artifact_type);
    if (!facts.annotations.empty()) w.field_raw("annotations", facts.annotations);
    return w.end_object().take();
}

}  // namespace

Task<void> DistributionServer::put_manifest(api::Request& request, api::Response& response, const Path& path) {
    ContentStore::Manifest made;
    std::vector<std::byte> buffer(64 << 10);
    while (true) {
        const std::span<std::byte> room(buffer);
        CO_TRY(const std::size_t got, co_await request.body->read(room));
        if (got == 0) break;
        made.body.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (made.body.size() > manifest_bytes_max) {
            auto sent = co_await refuse(response, 413, "MANIFEST_INVALID", "manifest invalid: more than 4 MiB");
            co_return sent;
        }
    }
    auto facts = facts_of(made.body, request.header("content-type"));
    if (!facts) {
        auto sent = co_await fail_with(response, facts.error(), "MANIFEST_INVALID");
        co_return sent;
    }
    made.digest = storage::sha256_of(made.body);
    made.media_type = facts->media_type;
    const bool by_digest = storage::is_digest(path.what);
    if (by_digest && made.digest != path.what) {
        auto sent = co_await refuse(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        co_return sent;
    }
    for (const std::string& digest : facts->blobs) {
        if (store_.blob(path.repository, digest)) continue;
        auto sent = co_await refuse(response, 400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry: " + digest);
        co_return sent;
    }
    for (const std::string& digest : facts->manifests) {
        if (store_.manifest(path.repository, digest)) continue;
        auto sent = co_await refuse(response, 400, "MANIFEST_BLOB_UNKNOWN", "manifest unknown to registry: " + digest);
        co_return sent;
    }
    const std::string tag = by_digest ? "" : path.what;
    CO_TRY_VOID(store_.put_manifest(path.repository, tag, made));
    if (!facts->subject.empty()) {
        CO_TRY_VOID(store_.put_referrer(path.repository, facts->subject, made.digest,
                                        referrer_descriptor(*facts, made.digest, made.body.size())));
        response.add_header("OCI-Subject", facts->subject);
    }
    response.add_header("Location", "/v2/" + path.repository + "/manifests/" + made.digest);
    response.add_header("Docker-Content-Digest", made.digest);
    auto sent = co_await response.send_empty(201);
    co_return sent;
}

// Names behind `last`, at most `n`; a Link to the rest.
Task<void> DistributionServer::send_page(api::Request& request, api::Response& response, std::string path,
                                         std::string head, const char* key, std::vector<std::string> names) {
    std::size_t n = page_max;
    if (const auto asked = request.parameter("n"); !asked.empty()) {
        const auto parsed = std::from_chars(asked.data(), asked.data() + asked.size(), n);
        if (parsed.ec != std::errc() || parsed.ptr != asked.data() + asked.size()) {
            auto sent =
                co_await refuse(response, 400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested");
            co_return sent;
        }
        n = std::min(n, page_max);
    }
    const std::string last(request.parameter("last"));
    const auto begin = std::upper_bound(names.begin(), names.end(), last);
    std::vector<std::string> page(last.empty() ? names.begin() : begin, names.end());
    if (page.size() > n) {
        page.resize(n);
        if (n > 0) {
            std::string link = "<" + path;
            link += "?last=" + page.back() + "&n=" + std::to_string(n) + ">; rel=\"next\"";
            response.add_header("Link", link);
        }
    }
    json::Writer w;
    w.begin_object();
    if (!head.empty()) w.field("name", head);
    std::string body = w.field(key, page).end_object().take();
    auto sent = co_await response.send_json(200, std::move(body));
    co_return sent;
}

Task<void> DistributionServer::tags(api::Request& request, api::Response& response, const Path& path) {
    CO_TRY(auto names, co_await tags_of(path.repository, request.stop));
    if (names.empty() && (mirror_ || !store_.has_repository(path.repository))) {
        auto sent = co_await refuse(response, 404, "NAME_UNKNOWN", "repository name not known to registry");
        co_return sent;
    }
    std::string self = "/v2/" + path.repository + "/tags/list";
    auto sent = co_await send_page(request, response, std::move(self), path.repository, "tags", std::move(names));
    co_return sent;
}

Task<std::vector<std::string>> DistributionServer::tags_of(const std::string& repository, reactor::StopToken stop) {
    if (!mirror_) co_return store_.tags(repository);
    CO_TRY(const auto names, co_await mirror_->names(stop));
    std::vector<std::string> out;
    for (const EngineMirror::Name& name : names)
        if (name.repository == repository) out.push_back(name.tag);
    co_return out;
}

Task<std::vector<std::string>> DistributionServer::repositories(reactor::StopToken stop) {
    if (!mirror_) co_return store_.repositories();
    CO_TRY(const auto names, co_await mirror_->names(stop));
    std::vector<std::string> out;
    for (const EngineMirror::Name& name : names)
        if (out.empty() || out.back() != name.repository) out.push_back(name.repository);
    co_return out;
}

Task<void> DistributionServer::catalog(api::Request& request, api::Response& response) {
    CO_TRY(auto names, co_await repositories(request.stop));
    auto sent = co_await send_page(request, response, "/v2/_catalog", "", "repositories", std::move(names));
    co_return sent;
}

Task<void> DistributionServer::referrers(api::Request& request, api::Response& response, const Path& path) {
    if (!storage::is_digest(path.what)) {
        auto sent = co_await refuse(response, 400, "DIGEST_INVALID", "invalid digest");
        co_return sent;
    }
    const std::string wanted(request.parameter("artifactType"));
    json::Writer w;
    w.begin_object()
        .field("schemaVersion", 2)
        .field("mediaType", storage::media::oci_index)
        .key("manifests")
        .begin_array();
    for (const std::string& one : store_.referrers(path.repository, path.what)) {
        simdjson::dom::parser parser;
        simdjson::dom::element root;
        std::string_view type;
        if (parser.parse(one).get(root) != simdjson::SUCCESS) continue;
        if (!wanted.empty() && (root["artifactType"].get(type) != simdjson::SUCCESS || type != wanted)) continue;
        w.raw(one);
    }
    const std::string body = w.end_array().end_object().take();
    if (!wanted.empty()) response.add_header("OCI-Filters-Applied", "artifactType");
    const std::string_view text = body;
    auto sent = co_await response.send(200, storage::media::oci_index, text);
    co_return sent;
}

Result<std::map<std::string, std::string>> read_htpasswd(const std::string& path) {
    std::ifstream file(path);
    if (!file) return fail_errno(errno, "open " + path);
    std::map<std::string, std::string> out;
    for (std::string line; std::getline(file, line);) {
        while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
        if (line.empty() || line[0] == '#') continue;
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || colon == 0)
            return fail(ErrorKind::invalid, path + ": a line is not NAME:HASH");
        out[line.substr(0, colon)] = line.substr(colon + 1);
    }
    if (out.empty()) return fail(ErrorKind::invalid, path + " names nobody");
    return out;
}

}  // namespace engine::registry
