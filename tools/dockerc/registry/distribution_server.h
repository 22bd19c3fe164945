// The OCI distribution protocol over the engine's HTTP code: one handler for everything under /v2/.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/api/request.h"
#include "engine/api/response.h"
#include "engine/api/router.h"
#include "tools/dockerc/registry/content_store.h"
#include "tools/dockerc/registry/engine_mirror.h"

namespace engine::registry {

class DistributionServer {
public:
    // `mirror`: where the images come from; then nothing can be pushed. None: clients push.
    DistributionServer(ContentStore store, std::map<std::string, std::string> users,
                       std::unique_ptr<EngineMirror> mirror)
        : store_(std::move(store)), users_(std::move(users)), mirror_(std::move(mirror)) {}
    Task<void> answer(api::Request& request, api::Response& response);

private:
    struct Path;        // what /v2/... names
    struct Uploading {  // an upload's running digest
        storage::Sha256 hash;
        std::uint64_t size = 0;
        bool busy = false;
    };
    Task<void> refuse(api::Response& response, int status, std::string code, std::string message);
    Task<void> fail_with(api::Response& response, const Error& error, const char* code);
    bool may_enter(const api::Request& request);

    Task<void> blob(api::Request& request, api::Response& response, const Path& path);
    Task<void> send_blob(api::Request& request, api::Response& response, const Path& path);
    Task<void> begin_upload(api::Request& request, api::Response& response, const Path& path);
    Task<void> upload(api::Request& request, api::Response& response, const Path& path);
    Task<bool> receive(api::Request& request, api::Response& response, const Path& path);  // false: answered
    Task<void> finish_upload(api::Request& request, api::Response& response, const Path& path);
    Task<void> manifest(api::Request& request, api::Response& response, const Path& path);
    Task<void> put_manifest(api::Request& request, api::Response& response, const Path& path);
    Task<void> tags(api::Request& request, api::Response& response, const Path& path);
    Task<void> catalog(api::Request& request, api::Response& response);
    Task<void> referrers(api::Request& request, api::Response& response, const Path& path);
    Task<void> send_page(api::Request& request, api::Response& response, std::string path, std::string head,
                         const char* key, std::vector<std::string> names);

    Task<std::vector<std::string>> tags_of(const std::string& repository, reactor::StopToken stop);
    Task<std::vector<std::string>> repositories(reactor::StopToken stop);

    ContentStore store_;
    std::map<std::string, std::string> users_;  // name -> crypt(3) hash; empty: everyone may enter
    std::unique_ptr<EngineMirror> mirror_;
    std::set<std::string> known_;               // digests of headers that were checked once
    std::map<std::string, std::unique_ptr<Uploading>> uploads_;
};

// Lines of `htpasswd -B`: name:hash.
Result<std::map<std::string, std::string>> read_htpasswd(const std::string& path);

}  // namespace engine::registry
