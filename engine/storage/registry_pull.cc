// Pulling. A layer is fetched once for all pulls that want it (by its chain id) and goes on while one of them waits; an
// image is committed when all of its layers are there, in one transaction, or nothing of it is.
#include <algorithm>
#include <optional>

#include "engine/reactor/io.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/registry_answers.h"
#include "engine/storage/registry_process.h"
#include "engine/storage/registry_service.h"

namespace engine::storage {

struct RegistryService::Resolved : ResolvedImage {
    std::vector<std::shared_ptr<LayerFetch>> fetches;  // of each layer; null: it is there
};

struct RegistryService::LayerFetch {
    explicit LayerFetch(reactor::StopToken engine) : stop(engine) {}
    struct Listener {
        Transfer* transfer;
        size_t layer;  // of its progress
    };
    Descriptor blob;
    std::string diff_id;
    std::string chain_id;
    std::string folder;  // in DATA/tmp
    std::string status;  // the last that was told
    std::vector<Listener> listeners;
    std::optional<Result<LoadedLayer>> layer;  // once it has ended
    reactor::StopSource stop;
    bool ended = false;

    void say(std::string_view text) {
        status = text;
        for (const Listener& one : listeners) one.transfer->progress.layer_is(one.layer, text);
    }
    void at(std::string_view text, int64_t current) {
        for (const Listener& one : listeners) one.transfer->progress.layer_at(one.layer, text, current, blob.size);
    }
};

class RegistryService::FetchProgress : public RegistryProgress {
public:
    FetchProgress(LayerFetch* fetch, reactor::Event* moved) : fetch_(fetch), moved_(moved) {}
    void current(int64_t bytes) override {
        fetch_->at("Downloading", bytes);
        moved_->notify_all();
    }
    void retry(int64_t seconds) override {
        fetch_->say("Retrying in " + std::to_string(seconds) + (seconds == 1 ? " second" : " seconds"));
        moved_->notify_all();
    }

private:
    LayerFetch* fetch_;
    reactor::Event* moved_;
};

RegistryJob RegistryService::job_for(const Reference& reference, const Credentials& credentials) const {
    RegistryJob job;
    job.settings = options_.settings;
    job.credentials = credentials;
    job.domain = reference.domain;
    job.repository = reference.path;
    job.reference = reference.digest.empty() ? reference.tag : reference.digest;
    job.familiar = reference.familiar();
    job.familiar_name = reference.familiar_name();
    return job;
}

std::shared_ptr<Transfer> RegistryService::pull(PullRequest request) {
    const Credentials& who = request.credentials;
    std::string key = request.reference.text() + "\n" + (request.all_tags ? "all" : "") + "\n" + request.platform;
    for (const std::string* text : {&who.username, &who.password, &who.identity_token, &who.registry_token})
        key += "\n" + sha256_of(*text);
    if (auto running = pulls_[key].lock(); running && !running->finished) {
        running->listeners++;
        return running;
    }
    auto transfer = std::make_shared<Transfer>(scope_.token());
    transfer->listeners = 1;
    transfer->key = key;
    pulls_[key] = transfer;
    scope_.spawn("pull", run_transfer(transfer, pull_all(transfer, std::move(request))));
    return transfer;
}

Task<void> RegistryService::run_transfer(std::shared_ptr<Transfer> transfer, Task<void> work) {
    auto done = co_await std::move(work);
    transfer->finished = true;
    if (!done) transfer->error = std::move(done).error();
    if (!transfer->key.empty()) pulls_.erase(transfer->key);
    moved_.notify_all();
    co_return Result<void>{};
}

void RegistryService::leave(Transfer& transfer) {
    if (--transfer.listeners > 0 || transfer.finished) return;
    // Another client that comes now begins anew.
    if (!transfer.key.empty()) pulls_.erase(std::exchange(transfer.key, {}));
    transfer.stop.request_stop();
}

Task<void> RegistryService::more(const Transfer& transfer, const TransferProgress::Cursor& cursor,
                                 reactor::StopToken stop) {
    while (!transfer.finished && !transfer.progress.has_more(cursor)) {
        CO_TRY_VOID(co_await moved_.wait(stop));
    }
    co_return Result<void>{};
}

Task<void> RegistryService::pull_all(std::shared_ptr<Transfer> transfer, PullRequest request) {
    std::vector<std::string> tags = {request.reference.tag};
    if (request.all_tags) {
        const RegistryJob job = job_for(request.reference, request.credentials);
        CO_TRY(const std::string answer, co_await run_registry(options_.helper_path, "tags", job, UniqueFd(),
                                                               UniqueFd(), nullptr, transfer->stop.token()));
        CO_TRY(tags, parse_tags_answer(answer));
        if (tags.empty())
            co_return fail(ErrorKind::not_found, "repository " + request.reference.familiar_name() + " has no tags");
    }
    bool something_new = false;
    for (const std::string& tag : tags) {
        PullRequest one = request;
        one.reference.tag = tag;
        CO_TRY(const bool came, co_await pull_one(transfer.get(), std::move(one)));
        something_new = something_new || came;
    }
    transfer->progress.say(
        "", (something_new ? "Status: Downloaded newer image for " : "Status: Image is up to date for ") +
                request.reference.familiar());
    co_return Result<void>{};
}

Task<RegistryService::Resolved> RegistryService::resolve(const PullRequest& request, reactor::StopToken stop) {
    RegistryJob job = job_for(request.reference, request.credentials);
    job.platform = request.platform;
    CO_TRY(const std::string answer,
           co_await run_registry(options_.helper_path, "resolve", job, UniqueFd(), UniqueFd(), nullptr, stop));
    Resolved out;
    CO_TRY(static_cast<ResolvedImage&>(out), parse_resolve_answer(answer));
    co_return out;
}

Task<bool> RegistryService::pull_one(Transfer* transfer, PullRequest request) {
    const Reference& reference = request.reference;
    CO_TRY(Resolved image, co_await resolve(request, transfer->stop.token()));
    const std::string shown = reference.digest.empty() ? reference.tag : reference.digest;
    transfer->progress.say(shown, "Pulling from " + reference.path);
    moved_.notify_all();
    PulledImage pulled;
    pulled.image.config = image.config;
    pulled.reference = reference;
    pulled.listed_digest = image.listed_digest;
    pulled.manifest = {sha256_of(image.config), image.digest, image.media_type, image.manifest};
    pulled.layers = image.layers;
    RegistryJob job = job_for(reference, request.credentials);
    job.endpoint = image.endpoint;
    job.token = image.token;
    // What was there when we looked may be removed while we fetch the rest: then it is fetched after all.
    for (int attempt = 0; attempt < 3; attempt++) {
        if (!images_.has_image(pulled.manifest.image_id)) {
            auto fetched = co_await fetch_layers(transfer, job, &image);
            pulled.image.layers.clear();
            for (size_t i = 0; fetched && i < image.layers.size(); i++)
                pulled.image.layers.push_back(image.fetches[i] ? **image.fetches[i]->layer
                                                               : LoadedLayer{"", image.diff_ids[i], 0, 0, "", 0});
            std::optional<Result<bool>> committed;
            if (fetched) committed.emplace(images_.commit_pulled(pulled));
            for (const auto& fetch : image.fetches)
                if (fetch) leave_fetch(transfer, *fetch);
            if (!fetched) co_return fail(std::move(fetched).error());
            if (!*committed && committed->error().kind() == ErrorKind::conflict) continue;
            CO_TRY_VOID(std::move(*committed));
            transfer->progress.say("", "Digest: " + image.listed_digest);
            co_return true;
        }
        CO_TRY(const bool moved, images_.commit_pulled(pulled));
        transfer->progress.say("", "Digest: " + image.listed_digest);
        co_return moved;
    }
    co_return fail(ErrorKind::conflict, "layers of " + reference.familiar() + " are removed while it is pulled");
}

// Every layer of the image is in the store, or in a folder of its own that `image->fetches` names.
Task<void> RegistryService::fetch_layers(Transfer* transfer, const RegistryJob& job, Resolved* image) {
    image->fetches.assign(image->layers.size(), nullptr);
    std::string chain;
    for (size_t i = 0; i < image->layers.size(); i++) {
        chain = chain.empty() ? image->diff_ids[i] : sha256_of(chain + " " + image->diff_ids[i]);
        if (images_.has_layer(chain)) {
            const size_t line = transfer->progress.add_layer(image->layers[i].digest.substr(7, 12));
            transfer->progress.layer_is(line, "Already exists");
        } else {
            image->fetches[i] = join_fetch(transfer, job, image->layers[i], image->diff_ids[i], chain);
        }
    }
    moved_.notify_all();
    while (true) {
        bool waiting = false;
        for (const auto& fetch : image->fetches) {
            if (!fetch) continue;
            if (fetch->ended && !*fetch->layer) co_return fail(fetch->layer->error().copy());
            waiting = waiting || !fetch->ended;
        }
        if (!waiting) co_return Result<void>{};
        CO_TRY_VOID(co_await moved_.wait(transfer->stop.token()));
    }
}

std::shared_ptr<RegistryService::LayerFetch> RegistryService::join_fetch(Transfer* transfer, const RegistryJob& job,
                                                                         const Descriptor& blob,
                                                                         const std::string& diff_id,
                                                                         const std::string& chain_id) {
    const size_t line = transfer->progress.add_layer(blob.digest.substr(7, 12));
    auto& running = fetches_[chain_id];
    if (running && !running->stop.stop_requested()) {
        running->listeners.push_back({transfer, line});
        transfer->progress.layer_is(line, running->status);
        return running;
    }
    auto fetch = std::make_shared<LayerFetch>(scope_.token());
    running = fetch;
    fetch->blob = blob;
    fetch->diff_id = diff_id;
    fetch->chain_id = chain_id;
    fetch->listeners.push_back({transfer, line});
    fetch->say("Pulling fs layer");
    scope_.spawn("layer", run_fetch(fetch, job));
    return fetch;
}

void RegistryService::leave_fetch(Transfer* transfer, LayerFetch& fetch) {
    const auto at = std::find_if(fetch.listeners.begin(), fetch.listeners.end(),
                                 [&](const auto& one) { return one.transfer == transfer; });
    if (at != fetch.listeners.end()) fetch.listeners.erase(at);
    if (!fetch.listeners.empty()) return;
    const auto known = fetches_.find(fetch.chain_id);
    if (known != fetches_.end() && known->second.get() == &fetch) fetches_.erase(known);
    if (fetch.ended) images_.discard(fetch.folder);
    fetch.stop.request_stop();
}

Task<void> RegistryService::run_fetch(std::shared_ptr<LayerFetch> fetch, RegistryJob job) {
    const reactor::StopToken stop = fetch->stop.token();
    if (downloads_ >= options_.downloads_max) fetch->say("Waiting");
    while (downloads_ >= options_.downloads_max && !stop.stop_requested()) {
        auto woken = co_await moved_.wait(stop);
        ignore_result(woken, "the condition sees a stop");
    }
    if (stop.stop_requested()) {
        fetch->layer.emplace(fail(ErrorKind::canceled, "the pull was canceled"));
    } else {
        downloads_++;
        fetch->folder = images_.new_folder("pull");
        auto layer = co_await transfer_layer(fetch.get(), job, stop);
        fetch->layer.emplace(std::move(layer));
        downloads_--;
    }
    Result<LoadedLayer>& layer = *fetch->layer;
    if (layer) {
        fetch->say("Pull complete");
        layer->folder = fetch->folder.substr(fetch->folder.rfind('/') + 1) + "/" + layer->folder;
    } else {
        Error why = std::move(layer).error().with_context("pulling layer " + fetch->blob.digest.substr(7, 12) + " of " +
                                                          job.familiar);
        fetch->layer.emplace(fail(std::move(why)));
    }
    fetch->ended = true;
    if (!*fetch->layer || fetch->listeners.empty()) images_.discard(fetch->folder);
    if (!*fetch->layer) {  // who asks from now on begins anew
        const auto known = fetches_.find(fetch->chain_id);
        if (known != fetches_.end() && known->second == fetch) fetches_.erase(known);
    }
    moved_.notify_all();
    co_return Result<void>{};
}

Task<void> RegistryService::unpack_task(UniqueFd input, std::string folder, std::optional<Result<LoadedLayer>>* out,
                                        reactor::StopToken stop) {
    auto layer = co_await images_.unpack_layer_from(std::move(input), std::move(folder), stop);
    out->emplace(std::move(layer));
    co_return Result<void>{};
}

// Registry process -> pipe -> unpack worker. When one fails the other is ended by its end of the pipe; whose failure
// came first is the one that is told.
Task<LoadedLayer> RegistryService::transfer_layer(LayerFetch* fetch, const RegistryJob& job, reactor::StopToken stop) {
    CO_TRY(Pipe pipe, make_pipe(limits::layer_pipe_bytes));
    std::optional<Result<LoadedLayer>> unpacked;
    reactor::StopSource unpack_stop(stop);
    reactor::Scope unpacking("unpack");
    unpacking.spawn("unpack", unpack_task(std::move(pipe.read_end), fetch->folder, &unpacked, unpack_stop.token()));
    RegistryJob one = job;
    one.digest = fetch->blob.digest;
    one.size = fetch->blob.size;
    FetchProgress progress(fetch, &moved_);
    fetch->at("Downloading", 0);
    auto fetched = co_await run_registry(options_.helper_path, "fetch", one, UniqueFd(), std::move(pipe.write_end),
                                         &progress, stop);
    const bool cut_by_reader = !fetched && fetched.error().error_number() == EPIPE;
    if (fetched) {
        fetch->say("Verifying Checksum");
        fetch->say("Download complete");
        fetch->at("Extracting", fetch->blob.size);
        moved_.notify_all();
    } else if (!cut_by_reader) {
        unpack_stop.request_stop();
    }
    CO_TRY_VOID(co_await unpacking.join());
    if (!fetched && !cut_by_reader) co_return fail(std::move(fetched).error());
    CO_TRY(LoadedLayer layer, std::move(*unpacked));
    CO_TRY_VOID(std::move(fetched));
    const std::string& digest = layer.blob_digest.empty() ? layer.diff_id : layer.blob_digest;
    if (digest != fetch->blob.digest)
        co_return fail(ErrorKind::invalid, "filesystem layer verification failed for digest " + fetch->blob.digest +
                                               ": its bytes have " + digest);
    if (layer.diff_id != fetch->diff_id)
        co_return fail(ErrorKind::invalid, "wrong diff id calculated on extraction: the config says " + fetch->diff_id +
                                               ", it is " + layer.diff_id);
    co_return layer;
}

}  // namespace engine::storage
