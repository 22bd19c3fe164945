// What a registry holds, on disk, by digest. Everything is a file; what is complete is renamed into place.
//   ROOT/blobs/sha256/<hex>
//   ROOT/uploads/<id>                                an upload as far as it has come
//   ROOT/repositories/<name>/_blobs/<hex>            the repository has the blob (empty)
//   ROOT/repositories/<name>/_manifests/<hex>        the manifest's media type; its bytes are a blob
//   ROOT/repositories/<name>/_tags/<tag>             the digest it names
//   ROOT/repositories/<name>/_referrers/<hex>/<hex>  a manifest whose subject is the first: its descriptor
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/digest.h"

namespace engine::registry {

// Parts of a name joined by '/', as the distribution specification has them.
bool is_repository_name(std::string_view name);

class ContentStore {
public:
    static Result<ContentStore> open(std::string root);

    struct Blob {
        UniqueFd fd;
        std::uint64_t size = 0;
    };
    // not_found: the repository does not have it.
    Result<Blob> blob(const std::string& repository, const std::string& digest) const;
    Result<void> link_blob(const std::string& repository, const std::string& digest) const;
    bool has_blob(const std::string& digest) const;
    Result<void> unlink_blob(const std::string& repository, const std::string& digest) const;

    Result<std::string> begin_upload();
    // A file to write to at `size`; not_found when there is no such upload.
    struct Upload {
        UniqueFd fd;
        std::uint64_t size = 0;
    };
    Result<Upload> upload(const std::string& id) const;
    Result<void> finish_upload(const std::string& id, const std::string& repository, const std::string& digest);
    void cancel_upload(const std::string& id) const;

    struct Manifest {
        std::string digest, media_type, body;
    };
    // By tag or digest.
    Result<Manifest> manifest(const std::string& repository, const std::string& reference) const;
    Result<void> put_manifest(const std::string& repository, const std::string& tag, const Manifest& manifest);
    Result<void> put_referrer(const std::string& repository, const std::string& subject, const std::string& digest,
                              const std::string& descriptor);
    Result<void> delete_manifest(const std::string& repository, const std::string& reference);
    std::vector<std::string> referrers(const std::string& repository, const std::string& subject) const;

    bool has_repository(const std::string& repository) const;
    std::vector<std::string> tags(const std::string& repository) const;  // sorted
    std::vector<std::string> repositories() const;                       // sorted

private:
    explicit ContentStore(std::string root) : root_(std::move(root)) {}
    bool is_held(const std::string& digest) const;  // by any repository
    std::vector<std::string> repositories_with(const char* folder) const;
    std::string home(const std::string& repository) const { return root_ + "/repositories/" + repository; }
    std::string blob_path(const std::string& digest) const { return root_ + "/blobs/sha256/" + digest.substr(7); }
    Result<void> write_file(const std::string& path, std::string_view text);

    std::string root_;
    std::uint64_t written_ = 0;
};

}  // namespace engine::registry
