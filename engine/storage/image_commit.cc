// ImageStore's verbs on what containers have made, and the way out: changes, commit, save.
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/archive_save.h"
#include "engine/storage/child_config.h"
#include "engine/storage/image_store.h"
#include "engine/storage/limits.h"
#include "engine/storage/worker_job.h"

namespace engine::storage {

// Verb arguments that name a container's tree and what it stands on, topmost first.
std::vector<std::string> ImageStore::tree_arguments(std::string_view container_id, std::string_view image_id) const {
    const RootfsPlan plan = rootfs_of(container_id, image_id);
    const bool whole = plan.kind == RootfsPlan::Kind::directory;
    std::vector<std::string> out = {whole ? "whole" : "upper", whole ? plan.directory : plan.upper};
    std::vector<const LayerRow*> chain;
    if (const auto held = held_.find(image_id); held != held_.end()) chain = chain_of(held->second.second);
    const auto folder = [this](int64_t number, const char* name) {
        return options_.data_root + "/layers/" + std::to_string(number) + name;
    };
    out.push_back(folder(chain.empty() ? 0 : chain.back()->number, "/init"));
    for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) out.push_back(folder((*layer)->number, "/fs"));
    return out;
}

Task<std::string> ImageStore::answer_of(std::vector<std::string> arguments, WorkerEnds ends,
                                        reactor::StopToken stop) {
    WorkerJob::Start how;
    how.worker_path = options_.worker_path;
    how.arguments = std::move(arguments);
    how.input_fd = ends.input.get();
    how.output_fd = ends.output.get();
    CO_TRY(auto job, WorkerJob::start(how));
    ends.input.reset();
    ends.output.reset();
    if (ends.body != nullptr) {
        CO_TRY_VOID(co_await job.feed(ends.body, stop));
    }
    job.end_input();
    CO_TRY(auto record, co_await job.record(stop));
    auto ended = co_await job.finish();
    CO_TRY_VOID(error_of(record));
    CO_TRY_VOID(std::move(ended));
    co_return record;
}

Task<std::string> ImageStore::changes(std::string container_id, std::string image_id, reactor::StopToken stop) {
    std::vector<std::string> arguments = tree_arguments(container_id, image_id);
    arguments.insert(arguments.begin(), "changes");
    WorkerEnds nothing;
    CO_TRY(std::string record, co_await answer_of(std::move(arguments), std::move(nothing), stop));
    constexpr std::string_view before = "{\"changes\":";
    if (!record.starts_with(before)) co_return fail(ErrorKind::internal, "the worker's answer is malformed");
    co_return record.substr(before.size(), record.size() - before.size() - 1);
}

// The layer that the container's tree is, on top of its image's, under DATA/tmp.
Task<LoadedImage> ImageStore::commit_tree(std::string folder, std::string container_id, std::string image_id,
                                          reactor::StopToken stop) {
    if (::mkdir(folder.c_str(), 0700) != 0) co_return fail_errno(errno, "create " + folder);
    std::vector<std::string> arguments = tree_arguments(container_id, image_id);
    arguments.insert(arguments.begin(), {"commit", folder});
    WorkerEnds nothing;
    CO_TRY(const std::string record, co_await answer_of(std::move(arguments), std::move(nothing), stop));
    CO_TRY(auto images, decode_images(record));
    if (images.size() != 1 || images[0].layers.size() > 1)
        co_return fail(ErrorKind::internal, "the worker's answer is malformed");
    co_return std::move(images[0]);
}

Task<PendingCommit> ImageStore::begin_commit(std::string container_id, std::string image_id, reactor::StopToken stop) {
    if (!images_.contains(image_id)) co_return fail(ErrorKind::not_found, "No such image: " + image_id);
    PendingCommit pending;
    pending.parent = image_id;
    pending.folder = options_.data_root + "/tmp/commit-" + std::to_string(++jobs_);
    auto made = co_await commit_tree(pending.folder, std::move(container_id), std::move(image_id), stop);
    if (!made) {
        discard(pending.folder);
        co_return fail(std::move(made).error());
    }
    if (!made->layers.empty()) pending.layer = std::move(made->layers[0]);
    co_return std::move(pending);
}

Result<std::string> ImageStore::end_commit(PendingCommit pending, ChildConfig child, const std::string& reference) {
    std::string id;
    std::string full_reference;
    std::string familiar;
    const auto work = [&]() -> Result<void> {
        if (!reference.empty()) {
            TRY(auto parsed, parse_reference(reference));
            parsed = with_default_tag(std::move(parsed));
            full_reference = parsed.text();
            familiar = parsed.familiar();
        }
        const auto parent = images_.find(pending.parent);
        if (parent == images_.end()) return fail(ErrorKind::not_found, "No such image: " + pending.parent);
        if (pending.layer) child.diff_id = pending.layer->diff_id;
        child.created = now_text();
        LoadedImage image;
        TRY(image.config, child_config(parent->second.config, child));
        for (const LayerRow* layer : chain_of(parent->second.top_layer))
            image.layers.push_back({"", layer->diff_id, layer->size, 0, "", 0});
        if (pending.layer) image.layers.push_back(*pending.layer);
        if (image.layers.size() > limits::layers_per_image_max) return fail(ErrorKind::invalid, "max depth exceeded");
        TRY(id, commit_image(image, pending.folder, nullptr));
        TRY_VOID(db_.put_parent(id, pending.parent));
        parents_[id] = pending.parent;
        if (full_reference.empty()) return {};
        TRY_VOID(use_tag(full_reference, id));
        return remember_tag_time(id);
    };
    auto done = in_transaction(work);
    discard(pending.folder);
    if (!done) return fail(std::move(done).error());
    if (!familiar.empty()) tell("tag", id, familiar);
    return id;
}

void ImageStore::drop_commit(PendingCommit pending) { discard(std::move(pending.folder)); }

Result<void> ImageStore::add_saved(std::vector<SavedImage>& out, const std::string& id, const std::string& reference) {
    const ImageRow& row = images_.find(id)->second;
    const std::string& config = row.config;
    auto at = std::find_if(out.begin(), out.end(), [&](const SavedImage& one) { return one.config == config; });
    if (at == out.end()) {
        SavedImage image;
        image.config = config;
        for (const LayerRow* layer : chain_of(row.top_layer))
            image.layers.push_back({layer->number, layer->tar_bytes, layer->diff_id});
        if (image.layers.empty()) return fail(ErrorKind::internal, "empty export - not implemented");
        out.push_back(std::move(image));
        at = out.end() - 1;
    }
    const bool known = std::find(at->tags.begin(), at->tags.end(), reference) != at->tags.end();
    if (!reference.empty() && !known) at->tags.push_back(reference);
    return {};
}

// A name without a tag means all of its tags.
Result<std::vector<SavedImage>> ImageStore::saved_images(const std::vector<std::string>& names,
                                                         std::vector<std::string>& ids) {
    std::vector<SavedImage> out;
    for (const auto& name : names) {
        const auto parsed = parse_reference(name);
        if (parsed && parsed->tag.empty() && parsed->digest.empty()) {
            const std::string prefix = parsed->name() + ":";
            bool any = false;
            for (auto tag = tags_.lower_bound(prefix); tag != tags_.end() && tag->first.starts_with(prefix); ++tag) {
                TRY_VOID(add_saved(out, tag->second, tag->first));
                ids.push_back(tag->second);
                any = true;
            }
            if (any) continue;
        }
        TRY(const std::string id, resolve(name));
        const bool tagged = parsed && parsed->digest.empty() && tags_.contains(with_default_tag(*parsed).text());
        TRY_VOID(add_saved(out, id, tagged ? with_default_tag(*parsed).text() : std::string()));
        ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return out;
}

struct ImageStore::Saving {
    explicit Saving(WorkerJob started) : job(std::move(started)) {}
    WorkerJob job;
    std::vector<std::string> ids;
};
void ImageStore::CloseSaving::operator()(Saving* saving) const {
    for (const auto& id : saving->ids) store->release(id);  // as containers hold theirs
    delete saving;
}

// The layers are held until the archive is written: a removal meanwhile leaves them.
Task<ImageStore::SavingPtr> ImageStore::begin_save(std::vector<std::string> names, reactor::StopToken stop) {
    std::vector<std::string> ids;
    CO_TRY(auto images, saved_images(names, ids));
    WorkerJob::Start how;
    how.worker_path = options_.worker_path;
    how.arguments = {"save", options_.data_root + "/layers"};
    how.output = true;
    CO_TRY(auto job, WorkerJob::start(how));
    SavingPtr saving(new Saving(std::move(job)), CloseSaving{this});
    for (const auto& id : ids) hold(id);
    saving->ids = std::move(ids);
    std::string plan = encode_plan(images);
    CO_TRY_VOID(co_await saving->job.feed_text(std::move(plan), stop));
    CO_TRY(const auto record, co_await saving->job.record(stop));
    CO_TRY_VOID(error_of(record));
    if (record != "{\"changed\":[]}")
        log_warn("save: nothing tells how layers were written that came before this engine kept that: their images "
                 "are saved under other ids: " + record);
    co_return std::move(saving);
}

Task<void> ImageStore::save(Saving* saving, ByteSink* sink, reactor::StopToken stop) {
    CO_TRY_VOID(co_await saving->job.stream_to(sink, stop));
    for (const auto& id : saving->ids) tell("save", id, id);
    co_return Result<void>{};
}

}  // namespace engine::storage
