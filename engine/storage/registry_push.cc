// Pushing. What the registry has already is not sent; what another of its repositories has is mounted; a layer that
// came compressed goes as it came; another is packed anew, the same bytes each time. An image that came with a manifest
// goes with that manifest as long as its blobs are what is sent.
#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/reactor/io.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/registry_answers.h"
#include "engine/storage/registry_process.h"
#include "engine/storage/registry_service.h"

namespace engine::storage {

struct RegistryService::UploadLayer {
    PushableLayer layer;
    size_t line = 0;     // of the progress
    Descriptor blob;     // what the registry has in the end
    bool there = false;  // nothing to send
    bool ended = false;  // done says how
    Result<void> done;
};

class RegistryService::UploadProgress : public RegistryProgress {
public:
    UploadProgress(Transfer* transfer, size_t line, int64_t total, reactor::Event* moved)
        : transfer_(transfer), line_(line), total_(total), moved_(moved) {}
    void current(int64_t bytes) override {
        transfer_->progress.layer_at(line_, "Pushing", bytes, std::max(total_, bytes));
        moved_->notify_all();
    }
    void retry(int64_t seconds) override {
        transfer_->progress.layer_is(
            line_, "Retrying in " + std::to_string(seconds) + (seconds == 1 ? " second" : " seconds"));
        moved_->notify_all();
    }

private:
    Transfer* transfer_;
    size_t line_;
    int64_t total_;
    reactor::Event* moved_;
};

namespace {

// "localhost:5000/library/x" -> "library/x" when it is of this registry.
std::vector<std::string> of_domain(const std::vector<std::string>& repositories, const std::string& domain) {
    std::vector<std::string> out;
    for (const std::string& one : repositories)
        if (one.starts_with(domain + "/")) out.push_back(one.substr(domain.size() + 1));
    return out;
}

// What a blob's first bytes say it is.
std::string_view layer_media_type(const PushableLayer& layer, bool oci) {
    if (!layer.kept) return oci ? "application/vnd.oci.image.layer.v1.tar+gzip" : media::docker_layer;
    const UniqueFd fd(::open((layer.folder + "/blob").c_str(), O_RDONLY | O_CLOEXEC));
    unsigned char first[2] = {};
    const bool gzip = fd && ::read(fd.get(), first, 2) == 2 && first[0] == 0x1f && first[1] == 0x8b;
    if (!gzip) return media::oci_layer_zstd;
    return oci ? "application/vnd.oci.image.layer.v1.tar+gzip" : media::docker_layer;
}

std::string oci_manifest_of(const Descriptor& config, const std::vector<Descriptor>& layers) {
    json::Writer w;
    const auto write = [&](const Descriptor& one) {
        w.begin_object()
            .field("mediaType", one.media_type)
            .field("digest", one.digest)
            .field("size", one.size)
            .end_object();
    };
    w.begin_object().field("schemaVersion", 2).field("mediaType", media::oci_manifest).key("config");
    write(config);
    w.key("layers").begin_array();
    for (const Descriptor& layer : layers) write(layer);
    return w.end_array().end_object().take();
}

}  // namespace

std::shared_ptr<Transfer> RegistryService::push(PushRequest request) {
    auto transfer = std::make_shared<Transfer>(scope_.token());
    transfer->listeners = 1;
    scope_.spawn("push", run_transfer(transfer, push_all(transfer, std::move(request))));
    return transfer;
}

Task<void> RegistryService::push_all(std::shared_ptr<Transfer> transfer, PushRequest request) {
    transfer->progress.say("", "The push refers to repository [" + request.reference.name() + "]");
    moved_.notify_all();
    std::vector<std::string> tags = images_.tags_of_name(request.reference);
    if (tags.empty())
        co_return fail(ErrorKind::not_found,
                       "An image does not exist locally with the tag: " + request.reference.familiar_name());
    if (!request.reference.tag.empty()) {
        if (std::find(tags.begin(), tags.end(), request.reference.tag) == tags.end())
            co_return fail(ErrorKind::not_found, "tag does not exist: " + request.reference.familiar());
        tags = {request.reference.tag};
    }
    for (const std::string& tag : tags) {
        PushRequest one = request;
        one.reference.tag = tag;
        CO_TRY_VOID(co_await push_one(transfer.get(), std::move(one)));
    }
    co_return Result<void>{};
}

Task<void> RegistryService::push_one(Transfer* transfer, PushRequest request) {
    const Reference& reference = request.reference;
    CO_TRY(PushableImage image, images_.pushable(reference.familiar()));
    std::vector<UploadLayer> layers;
    RegistryJob job = job_for(reference, request.credentials);
    std::set<std::string> asked;
    for (PushableLayer& layer : image.layers) {
        UploadLayer one;
        one.line = transfer->progress.add_layer(layer.diff_id.substr(7, 12));
        transfer->progress.layer_is(one.line, "Preparing");
        if (layer.blob) {
            one.blob = {"", layer.blob->digest, layer.blob->size};
            if (asked.insert(layer.blob->digest).second)
                job.blobs.push_back({layer.blob->digest, of_domain(layer.sources, reference.domain)});
        }
        one.layer = std::move(layer);
        layers.push_back(std::move(one));
    }
    moved_.notify_all();
    const reactor::StopToken stop = transfer->stop.token();
    CO_TRY(const std::string answer,
           co_await run_registry(options_.helper_path, "check", job, UniqueFd(), UniqueFd(), nullptr, stop));
    CO_TRY(const CheckedBlobs checked, parse_check_answer(answer));
    if (checked.states.size() != job.blobs.size())
        co_return fail(ErrorKind::internal, "the answer of dockercd-registry is malformed");
    job.endpoint = checked.endpoint;
    job.token = checked.token;
    for (UploadLayer& one : layers) {
        for (size_t i = 0; i < job.blobs.size(); i++) {
            if (job.blobs[i].digest != one.blob.digest || checked.states[i] == "missing") continue;
            one.there = true;
            transfer->progress.layer_is(one.line, checked.states[i] == "exists"
                                                      ? "Layer already exists"
                                                      : "Mounted from " + checked.states[i].substr(8));
        }
    }
    job.blobs.clear();
    CO_TRY_VOID(co_await upload_layers(transfer, job, &layers));

    // The manifest it came with, if that names exactly these blobs; else one of our own.
    bool oci = false;
    for (const UploadLayer& one : layers) oci = oci || layer_media_type(one.layer, false) == media::oci_layer_zstd;
    std::vector<Descriptor> blobs;
    for (UploadLayer& one : layers) {
        one.blob.media_type = layer_media_type(one.layer, oci);
        blobs.push_back(one.blob);
    }
    job.config = image.config;
    bool as_it_came = false;
    if (image.manifest) {
        const auto kept =
            parse_registry_manifest(image.manifest->body, image.manifest->media_type, reference.familiar());
        as_it_came = kept && std::equal(kept->layers.begin(), kept->layers.end(), blobs.begin(), blobs.end(),
                                        [](const auto& a, const auto& b) { return a.digest == b.digest; });
    }
    if (as_it_came) {
        job.media_type = image.manifest->media_type;
        job.body = image.manifest->body;
    } else {
        const Descriptor config{std::string(oci ? media::oci_config : media::docker_config), image.id,
                                static_cast<int64_t>(image.config.size())};
        job.media_type = oci ? media::oci_manifest : media::docker_manifest;
        job.body = oci ? oci_manifest_of(config, blobs) : make_docker_manifest(config, blobs);
    }
    CO_TRY(const std::string named,
           co_await run_registry(options_.helper_path, "put", job, UniqueFd(), UniqueFd(), nullptr, stop));
    CO_TRY(const std::string digest, parse_text_answer(named, "digest"));
    PushedImage pushed;
    pushed.reference = reference;
    pushed.manifest = {image.id, digest, job.media_type, job.body};
    for (const UploadLayer& one : layers)
        pushed.layers.push_back({one.layer.diff_id, one.layer.kept, {one.blob.digest, one.blob.size}});
    CO_TRY_VOID(images_.record_push(pushed));
    transfer->progress.say("", reference.tag + ": digest: " + digest + " size: " + std::to_string(job.body.size()));
    json::Writer aux;
    aux.begin_object().field("Tag", reference.tag).field("Digest", digest).field("Size", job.body.size()).end_object();
    transfer->progress.say_aux(aux.take());
    moved_.notify_all();
    co_return Result<void>{};
}

// Several at once; the first failure stops the rest and is the one that is told.
Task<void> RegistryService::upload_layers(Transfer* transfer, const RegistryJob& job,
                                          std::vector<UploadLayer>* layers) {
    reactor::StopSource stop(transfer->stop.token());
    reactor::Scope uploads("uploads");
    std::map<std::string, UploadLayer*> first_of;  // a diff twice in an image is sent once
    for (UploadLayer& layer : *layers) {
        if (layer.there || !first_of.emplace(layer.layer.diff_id, &layer).second) continue;
        uploads.spawn("upload", upload_task(transfer, job, &layer, stop.token()));
    }
    while (true) {
        bool waiting = false;
        for (const auto& [diff_id, layer] : first_of) {
            waiting = waiting || !layer->ended;
            if (!layer->done) stop.request_stop();
        }
        if (!waiting) break;
        auto woken = co_await moved_.wait(stop.token());
        if (!woken) break;
    }
    CO_TRY_VOID(co_await uploads.join());
    const UploadLayer* failed = nullptr;
    for (const UploadLayer& layer : *layers) {
        if (layer.done) continue;
        if (failed == nullptr || failed->done.error().kind() == ErrorKind::canceled) failed = &layer;
    }
    if (failed != nullptr) co_return fail(failed->done.error().copy());
    for (UploadLayer& layer : *layers) {
        if (layer.there) continue;
        const UploadLayer* sent = first_of[layer.layer.diff_id];
        if (sent == &layer) continue;
        layer.blob = sent->blob;
        transfer->progress.layer_is(layer.line, "Layer already exists");
    }
    co_return Result<void>{};
}

Task<void> RegistryService::upload_task(Transfer* transfer, const RegistryJob& job, UploadLayer* layer,
                                        reactor::StopToken stop) {
    auto done = co_await upload_layer(transfer, job, layer, stop);
    if (!done)
        done = tl::unexpected<Error>(std::move(done).error().with_context(
            "pushing layer " + layer->layer.diff_id.substr(7, 12) + " of " + job.familiar));
    layer->done = std::move(done);
    layer->ended = true;
    moved_.notify_all();
    co_return Result<void>{};
}

Task<void> RegistryService::upload_layer(Transfer* transfer, const RegistryJob& job, UploadLayer* layer,
                                         reactor::StopToken stop) {
    if (uploads_ >= options_.uploads_max) transfer->progress.layer_is(layer->line, "Waiting");
    while (uploads_ >= options_.uploads_max) {
        CO_TRY_VOID(co_await moved_.wait(stop));
    }
    uploads_++;
    std::optional<Result<std::string>> answer;
    for (int attempt = 0; attempt < limits::registry_attempts_max; attempt++) {
        auto sent = co_await upload_once(transfer, job, layer, stop);
        answer.emplace(std::move(sent));
        // A file's retries are the process's own; a packed stream begins anew here.
        if (*answer || layer->layer.kept || answer->error().kind() != ErrorKind::unavailable) break;
        auto slept = co_await reactor::sleep_for((250 << attempt) * millisecond, stop);
        if (!slept) break;
    }
    uploads_--;
    moved_.notify_all();
    CO_TRY(const std::string record, std::move(*answer));
    CO_TRY(layer->blob, parse_upload_answer(record));
    transfer->progress.layer_is(layer->line, "Pushed");
    co_return Result<void>{};
}

namespace {

Task<void> pack(ImageStore* images, std::string folder, UniqueFd output, Result<void>* out, reactor::StopToken stop) {
    auto done = co_await images->write_layer_archive(std::move(folder), std::move(output), stop);
    *out = std::move(done);
    co_return Result<void>{};
}

}  // namespace

Task<std::string> RegistryService::upload_once(Transfer* transfer, const RegistryJob& job, UploadLayer* layer,
                                               reactor::StopToken stop) {
    RegistryJob one = job;
    UploadProgress progress(transfer, layer->line, layer->layer.kept ? layer->blob.size : layer->layer.tar_bytes,
                            &moved_);
    progress.current(0);
    if (layer->layer.kept) {
        const std::string path = layer->layer.folder + "/blob";
        UniqueFd blob(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!blob) co_return fail_errno(errno, "open " + path);
        one.digest = layer->blob.digest;
        one.size = layer->blob.size;
        auto sent =
            co_await run_registry(options_.helper_path, "upload", one, std::move(blob), UniqueFd(), &progress, stop);
        co_return sent;
    }
    CO_TRY(Pipe pipe, make_pipe(limits::layer_pipe_bytes));
    Result<void> packed;
    reactor::StopSource pack_stop(stop);
    reactor::Scope packing("pack");
    packing.spawn("pack", pack(&images_, layer->layer.folder, std::move(pipe.write_end), &packed, pack_stop.token()));
    auto sent = co_await run_registry(options_.helper_path, "upload", one, std::move(pipe.read_end), UniqueFd(),
                                      &progress, stop);
    if (!sent) pack_stop.request_stop();
    CO_TRY_VOID(co_await packing.join());
    CO_TRY(std::string answer, std::move(sent));
    CO_TRY_VOID(std::move(packed));  // an archive cut short was sent: nothing names it, so nothing refers to it
    co_return answer;
}

}  // namespace engine::storage
