// Pulls, pushes and questions to registries. The loop only decides: bytes go from a dockercd-registry process through a
// pipe into an unpack worker (or the other way), several layers at once, and never pass through here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/reactor/scope.h"
#include "engine/storage/image_store.h"
#include "engine/storage/registry_job.h"
#include "engine/storage/transfer.h"

namespace engine::storage {

struct PullRequest {
    Reference reference;  // with a tag or digest unless all_tags
    bool all_tags = false;
    std::string platform;  // "": this host's
    Credentials credentials;
};

struct PushRequest {
    Reference reference;  // without a tag: all of the name's tags
    Credentials credentials;
};

struct SearchRequest {
    std::string term;
    int64_t limit = 25;
    Credentials credentials;
};

struct SearchResult {
    std::string name, description;
    int64_t stars = 0;
    bool official = false, automated = false;
};

class RegistryService {
public:
    struct Options {
        RegistrySettings settings;
        std::string helper_path;  // the dockercd-registry binary
        int downloads_max = 3;    // layers of all pulls together
        int uploads_max = 5;
    };
    RegistryService(Options options, ImageStore& images) : options_(std::move(options)), images_(images) {}
    const RegistrySettings& settings() const { return options_.settings; }
    // Transfers belong to this scope: stop and join it before the service dies.
    reactor::Scope& scope() { return scope_; }

    // Begun, or one that runs already with the same credentials and platform. The listener leaves it by leave().
    std::shared_ptr<Transfer> pull(PullRequest request);
    std::shared_ptr<Transfer> push(PushRequest request);
    // Until there is something the cursor has not seen, or the transfer is over.
    Task<void> more(const Transfer& transfer, const TransferProgress::Cursor& cursor, reactor::StopToken stop);
    // The last one to leave ends it.
    void leave(Transfer& transfer);

    // The body of GET /distribution/{name}/json.
    Task<std::string> inspect(Reference reference, Credentials credentials, reactor::StopToken stop);
    Task<std::vector<SearchResult>> search(SearchRequest request, reactor::StopToken stop);
    // An identity token, or "".
    Task<std::string> login(Credentials credentials, reactor::StopToken stop);

private:
    struct LayerFetch;
    struct Resolved;
    struct UploadLayer;
    class FetchProgress;
    class UploadProgress;

    Task<void> run_transfer(std::shared_ptr<Transfer> transfer, Task<void> work);
    Task<void> pull_all(std::shared_ptr<Transfer> transfer, PullRequest request);
    Task<bool> pull_one(Transfer* transfer, PullRequest request);  // whether something new came
    Task<Resolved> resolve(const PullRequest& request, reactor::StopToken stop);
    Task<void> fetch_layers(Transfer* transfer, const RegistryJob& job, Resolved* image);
    std::shared_ptr<LayerFetch> join_fetch(Transfer* transfer, const RegistryJob& job, const Descriptor& blob,
                                           const std::string& diff_id, const std::string& chain_id);
    void leave_fetch(Transfer* transfer, LayerFetch& fetch);
    Task<void> run_fetch(std::shared_ptr<LayerFetch> fetch, RegistryJob job);
    Task<LoadedLayer> transfer_layer(LayerFetch* fetch, const RegistryJob& job, reactor::StopToken stop);
    Task<void> unpack_task(UniqueFd input, std::string folder, std::optional<Result<LoadedLayer>>* out,
                           reactor::StopToken stop);

    Task<void> push_all(std::shared_ptr<Transfer> transfer, PushRequest request);
    Task<void> push_one(Transfer* transfer, PushRequest request);
    Task<void> upload_layers(Transfer* transfer, const RegistryJob& job, std::vector<UploadLayer>* layers);
    Task<void> upload_task(Transfer* transfer, const RegistryJob& job, UploadLayer* layer, reactor::StopToken stop);
    Task<void> upload_layer(Transfer* transfer, const RegistryJob& job, UploadLayer* layer, reactor::StopToken stop);
    Task<std::string> upload_once(Transfer* transfer, const RegistryJob& job, UploadLayer* layer,
                                  reactor::StopToken stop);

    RegistryJob job_for(const Reference& reference, const Credentials& credentials) const;

    Options options_;
    ImageStore& images_;
    reactor::Scope scope_{"registry"};
    reactor::Event moved_;  // any transfer has something new
    std::map<std::string, std::weak_ptr<Transfer>> pulls_;
    std::map<std::string, std::shared_ptr<LayerFetch>, std::less<>> fetches_;  // by chain id
    int downloads_ = 0;
    int uploads_ = 0;
};

}  // namespace engine::storage
