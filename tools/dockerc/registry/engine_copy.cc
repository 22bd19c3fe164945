#include "tools/dockerc/registry/engine_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/tar_reader.h"
#include "tools/dockerc/client.h"
#include "tools/dockerc/json.h"
#include "tools/dockerc/registry/content_store.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

using engine::ErrorKind;
using engine::fail;
using engine::fail_errno;
using engine::registry::ContentStore;
using Manifest = ContentStore::Manifest;

constexpr std::size_t index_bytes_max = 4 << 20;

// The body of an answer, read when it is wanted.
class BodySource : public engine::storage::BlockingSource {
public:
    explicit BodySource(Connection& connection) : connection_(connection) {}
    Result<std::size_t> read(std::span<char> into) override {
        while (at_ == held_.size() && more_) {
            held_.clear();
            at_ = 0;
            const BodySink keep = [this](std::string_view bytes) -> Result<void> {
                held_.append(bytes);
                return {};
            };
            TRY(more_, connection_.receive_some(keep));
        }
        const std::size_t size = std::min(into.size(), held_.size() - at_);
        std::memcpy(into.data(), held_.data() + at_, size);
        at_ += size;
        return size;
    }

private:
    Connection& connection_;
    std::string held_;
    std::size_t at_ = 0;
    bool more_ = true;
};

struct Served {
    std::string id, name;  // as the engine calls it
};
using Images = std::map<std::pair<std::string, std::string>, Served>;  // by repository and tag

// "host:5000/app" -> "app".
std::string path_of(const std::string& repository) {
    const std::size_t slash = repository.find('/');
    if (slash == std::string::npos) return repository;
    const std::string first = repository.substr(0, slash);
    const bool host = first == "localhost" || first.find_first_of(".:") != std::string::npos;
    return host ? repository.substr(slash + 1) : repository;
}

Result<Images> images_of(Client& client) {
    TRY(const std::string body, client.call("GET", "/images/json"));
    JsonDocument document;
    if (!document.parse(body)) return fail(ErrorKind::internal, "the engine's list of images is not JSON");
    Images out, of_registries;
    json_each(document.root(), [&](JsonValue image) {
        const std::string id = json_text(image, "Id");
        json_each(image, "RepoTags", [&](JsonValue value) {
            std::string_view text;
            if (value.get(text) != simdjson::SUCCESS) return;
            const std::string name(text);
            const std::size_t colon = name.rfind(':');
            const std::string repository = name.substr(0, colon);
            const std::string path = path_of(repository);
            if (!engine::registry::is_repository_name(path)) return;
            (path == repository ? out : of_registries)[{path, name.substr(colon + 1)}] = {id, name};
        });
    });
    out.merge(of_registries);
    return out;
}

// Which image of the engine a tag of the store was copied from.
std::string marker_of(const std::string& root, const std::string& repository, const std::string& tag) {
    return root + "/engine/" + engine::storage::sha256_of(repository + ":" + tag).substr(7);
}
std::string read_marker(const std::string& path) {
    std::string out(128, '\0');
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = fd ? ::read(fd.get(), out.data(), out.size()) : 0;
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

class Copier {
public:
    Copier(Client& client, ContentStore store, std::string root)
        : client_(client), store_(std::move(store)), root_(std::move(root)) {}

    Result<void> bring(std::string repository, const std::string& tag) {
        TRY(const Images images, images_of(client_));
        auto found = images.find({repository, tag});
        if (found == images.end() && repository.starts_with("library/"))
            found = images.find({repository.substr(8), tag});
        const std::string marker = marker_of(root_, repository, tag);
        const auto old = store_.manifest(repository, tag);
        if (found == images.end()) {
            if (old) forget(repository, tag, *old);
            ::unlink(marker.c_str());
            return fail(ErrorKind::not_found, "the engine has no image " + repository + ":" + tag);
        }
        const Served& image = found->second;
        if (old && read_marker(marker) == image.id) return {};
        TRY(const Manifest fresh, copy(repository, image));
        TRY_VOID(store_.put_manifest(repository, tag, fresh));
        if (old && old->digest != fresh.digest) forget(repository, "", *old);
        return write_marker(marker, image.id);
    }

private:
    Result<void> write_marker(const std::string& path, const std::string& id) {
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!fd || ::write(fd.get(), id.data(), id.size()) != static_cast<ssize_t>(id.size()))
            return fail_errno(errno, "write " + path);
        return {};
    }

    // The archive that the engine saves is an OCI layout: its blobs are the store's.
    Result<Manifest> copy(const std::string& repository, const Served& image) {
        TRY(const auto connection, client_.open("GET", "/images/" + url_escape(image.name) + "/get"));
        BodySource source(*connection);
        if (const int status = connection->reply().status(); status >= 400) {
            std::string text(4096, '\0');
            TRY(const std::size_t got, source.read(text));
            return fail(daemon_error(status, text.substr(0, got)));
        }
        engine::storage::TarReader archive(source);
        engine::storage::TarEntry entry;
        std::string index;
        while (true) {
            TRY(const bool more, archive.next(entry));
            if (!more) break;
            constexpr std::string_view blobs = "blobs/sha256/";
            if (entry.type != engine::storage::TarType::file) continue;
            if (entry.path == "index.json") {
                TRY(index, text_of(archive));
            } else if (entry.path.starts_with(blobs)) {
                TRY_VOID(keep_blob(repository, "sha256:" + entry.path.substr(blobs.size()), archive));
            }
        }
        return manifest_of(repository, index);
    }

    Result<std::string> text_of(engine::storage::TarReader& archive) {
        std::string out;
        while (true) {
            TRY(const std::string_view piece, archive.chunk());
            if (piece.empty()) return out;
            out.append(piece);
            if (out.size() > index_bytes_max) return fail(ErrorKind::too_large, "the image's index is too large");
        }
    }

    Result<void> keep_blob(const std::string& repository, const std::string& digest,
                           engine::storage::TarReader& archive) {
        if (!engine::storage::is_digest(digest)) return fail(ErrorKind::invalid, "a blob is not named by its digest");
        if (store_.has_blob(digest)) return store_.link_blob(repository, digest);
        TRY(const std::string id, store_.begin_upload());
        auto kept = fill(id, repository, digest, archive);
        if (!kept) store_.cancel_upload(id);
        return kept;
    }

    Result<void> fill(const std::string& id, const std::string& repository, const std::string& digest,
                      engine::storage::TarReader& archive) {
        TRY(const auto file, store_.upload(id));
        engine::storage::Sha256 hash;
        while (true) {
            TRY(std::string_view piece, archive.chunk());
            if (piece.empty()) break;
            hash.update(piece.data(), piece.size());
            while (!piece.empty()) {
                const ssize_t put = ::write(file.fd.get(), piece.data(), piece.size());
                if (put < 0) return fail_errno(errno, "write blob " + digest);
                piece.remove_prefix(static_cast<std::size_t>(put));
            }
        }
        if (hash.finish() != digest) return fail(ErrorKind::invalid, "the bytes of blob " + digest + " are others");
        return store_.finish_upload(id, repository, digest);
    }

    Result<Manifest> manifest_of(const std::string& repository, const std::string& index) {
        JsonDocument document;
        if (!document.parse(index)) return fail(ErrorKind::invalid, "the saved image has no index");
        Manifest out;
        json_each(document.root(), "manifests", [&out](JsonValue one) {
            out.digest = json_text(one, "digest");
            out.media_type = json_text(one, "mediaType");
        });
        if (!engine::storage::is_digest(out.digest)) return fail(ErrorKind::invalid, "the saved image has no manifest");
        TRY(const auto blob, store_.blob(repository, out.digest));
        out.body.resize(blob.size);
        if (::pread(blob.fd.get(), out.body.data(), out.body.size(), 0) != static_cast<ssize_t>(out.body.size()))
            return fail_errno(errno, "read manifest " + out.digest);
        return out;
    }

    // Its tag, and what no other tag of the repository needs.
    void forget(const std::string& repository, const std::string& tag, const Manifest& old) {
        if (!tag.empty()) ignore_result(store_.delete_manifest(repository, tag), "it was there a moment ago");
        std::string others;
        for (const std::string& name : store_.tags(repository)) {
            const auto other = store_.manifest(repository, name);
            if (other && other->digest == old.digest) return;
            if (other) others += other->body;
        }
        ignore_result(store_.delete_manifest(repository, old.digest), "it was there a moment ago");
        ignore_result(store_.unlink_blob(repository, old.digest), "a manifest is a blob too");
        for (std::size_t at = old.body.find("sha256:"); at != std::string::npos;
             at = old.body.find("sha256:", at + 7)) {
            const std::string digest = old.body.substr(at, 71);
            if (engine::storage::is_digest(digest) && others.find(digest) == std::string::npos)
                ignore_result(store_.unlink_blob(repository, digest), "named twice");
        }
    }

    Client& client_;
    ContentStore store_;
    std::string root_;
};

}  // namespace

int copy_from_engine(Client& client, const std::string& root, const std::vector<std::string>& words) {
    const auto complain = [](const engine::Error& error) {
        std::fprintf(stderr, "%s\n", error.message().c_str());
        return error.kind() == ErrorKind::not_found ? copy_not_found : 1;
    };
    if (words.size() == 2 && words[1] == "names") {
        const auto images = images_of(client);
        if (!images) return complain(images.error());
        for (const auto& [name, image] : *images) std::printf("%s %s\n", name.first.c_str(), name.second.c_str());
        return 0;
    }
    if (words.size() != 4 || words[1] != "bring") {
        std::fprintf(stderr, "copy: names | bring REPOSITORY TAG\n");
        return 125;
    }
    auto store = ContentStore::open(root);
    if (!store) return complain(store.error());
    if (::mkdir((root + "/engine").c_str(), 0755) != 0 && errno != EEXIST)
        return complain(engine::errno_error(errno, "mkdir " + root + "/engine"));
    Copier copier(client, std::move(*store), root);
    const auto brought = copier.bring(words[2], words[3]);
    return brought ? 0 : complain(brought.error());
}

}  // namespace dockerc
