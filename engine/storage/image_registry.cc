// What ImageStore does for registries: folders to unpack into, pulled images committed, images described for a push.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/digest.h"
#include "engine/storage/image_store.h"

namespace engine::storage {
namespace {

std::string next_chain(const std::string& chain, const std::string& diff_id) {
    return chain.empty() ? diff_id : sha256_of(chain + " " + diff_id);
}

}  // namespace

std::string ImageStore::new_folder(std::string_view purpose) {
    return options_.data_root + "/tmp/" + std::string(purpose) + "-" + std::to_string(++jobs_);
}

bool ImageStore::has_image(std::string_view id) const {
    return images_.contains(id);
}
bool ImageStore::has_layer(std::string_view chain_id) const {
    return layer_of_chain_.contains(chain_id);
}

Task<LoadedLayer> ImageStore::unpack_layer_from(UniqueFd input, std::string folder, reactor::StopToken stop) {
    if (::mkdir(folder.c_str(), 0700) != 0) co_return fail_errno(errno, "create " + folder);
    std::vector<std::string> arguments = {"import", folder};
    WorkerEnds ends;
    ends.input = std::move(input);
    CO_TRY(const std::string record, co_await answer_of(std::move(arguments), std::move(ends), stop));
    CO_TRY(auto images, decode_images(record));
    if (images.size() != 1 || images[0].layers.size() != 1)
        co_return fail(ErrorKind::internal, "the worker's answer is malformed");
    co_return std::move(images[0].layers[0]);
}

// The names a pull gives: the tag, and name@digest of what was listed under it. True when an image or a tag is new.
Result<bool> ImageStore::name_pulled(const PulledImage& pulled, const std::string& id) {
    Reference by_digest = pulled.reference;
    by_digest.tag.clear();
    by_digest.digest = pulled.listed_digest;
    TRY_VOID(use_tag(by_digest.text(), id));
    TRY_VOID(db_.put_manifest(pulled.manifest));
    if (!pulled.reference.digest.empty() || pulled.reference.tag.empty()) return false;
    Reference by_tag = pulled.reference;
    const auto before = tags_.find(by_tag.text());
    const bool moved = before == tags_.end() || before->second != id;
    TRY_VOID(use_tag(by_tag.text(), id));
    return moved;
}

Result<bool> ImageStore::commit_pulled(const PulledImage& pulled) {
    const std::string id = pulled.manifest.image_id;
    const bool known = images_.contains(id);
    bool moved = false;
    const auto work = [&]() -> Result<void> {
        if (!known) {
            std::string chain;
            for (const LoadedLayer& layer : pulled.image.layers) {
                chain = next_chain(chain, layer.diff_id);
                struct stat there {};
                const std::string tree = options_.data_root + "/tmp/" + layer.folder + "/fs";
                if (!has_layer(chain) && (layer.folder.empty() || ::lstat(tree.c_str(), &there) != 0))
                    return fail(ErrorKind::conflict, "layer " + layer.diff_id + " is gone");
            }
            TRY(const std::string made, commit_image(pulled.image, options_.data_root + "/tmp", nullptr));
            CHECK(made == id);
        }
        for (const Descriptor& layer : pulled.layers) {
            TRY_VOID(db_.put_blob_source(layer.digest, pulled.reference.name(), realtime_ns()));
        }
        // A layer that was there before, without a blob: this registry has one of it, which a push may find or mount.
        const auto chain = chain_of(images_.find(id)->second.top_layer);
        for (size_t i = 0; i < chain.size() && i < pulled.layers.size(); i++) {
            if (!chain[i]->blob_digest.empty() || pulled.layers[i].digest == chain[i]->diff_id) continue;
            TRY_VOID(db_.put_pushed_blob(chain[i]->diff_id, {pulled.layers[i].digest, pulled.layers[i].size}));
        }
        TRY(moved, name_pulled(pulled, id));
        return {};
    };
    TRY_VOID(in_transaction(work));
    if (event_handler_) {
        Reference shown = pulled.reference;
        event_handler_("pull", ImageEvent{shown.familiar(), shown.familiar_name(), images_.find(id)->second.config});
    }
    return !known || moved;
}

Result<PushableImage> ImageStore::pushable(std::string_view reference) {
    TRY(const std::string id, resolve(reference));
    const ImageRow& row = images_.find(id)->second;
    PushableImage out;
    out.id = id;
    out.config = row.config;
    for (const LayerRow* layer : chain_of(row.top_layer)) {
        PushableLayer one;
        one.diff_id = layer->diff_id;
        one.folder = options_.data_root + "/layers/" + std::to_string(layer->number);
        one.kept = !layer->blob_digest.empty();
        one.tar_bytes = layer->tar_bytes > 0 ? layer->tar_bytes : layer->size;
        if (one.kept) {
            one.blob = BlobRow{layer->blob_digest, layer->blob_size};
        } else {
            TRY(one.blob, db_.pushed_blob(layer->diff_id));
        }
        if (one.blob) {
            TRY(one.sources, db_.blob_sources(one.blob->digest));
        }
        out.layers.push_back(std::move(one));
    }
    TRY(out.manifest, db_.manifest(id));
    return out;
}

std::vector<std::string> ImageStore::tags_of_name(const Reference& name) const {
    std::vector<std::string> out;
    const std::string prefix = name.name() + ":";
    for (auto at = tags_.lower_bound(prefix); at != tags_.end() && at->first.starts_with(prefix); ++at)
        out.push_back(at->first.substr(prefix.size()));
    return out;
}

Result<void> ImageStore::record_push(const PushedImage& pushed) {
    if (!images_.contains(pushed.manifest.image_id)) return {};  // removed meanwhile: nothing to remember it by
    TRY_VOID(in_transaction([&]() -> Result<void> {
        for (const PushedLayer& layer : pushed.layers) {
            if (!layer.kept) {
                TRY_VOID(db_.put_pushed_blob(layer.diff_id, layer.blob));
            }
            TRY_VOID(db_.put_blob_source(layer.blob.digest, pushed.reference.name(), realtime_ns()));
        }
        Reference by_digest = pushed.reference;
        by_digest.tag.clear();
        by_digest.digest = pushed.manifest.digest;
        TRY_VOID(db_.put_manifest(pushed.manifest));
        return use_tag(by_digest.text(), pushed.manifest.image_id);
    }));
    if (event_handler_)
        event_handler_("push", ImageEvent{pushed.reference.familiar(), pushed.reference.familiar_name(),
                                          images_.find(pushed.manifest.image_id)->second.config});
    return {};
}

Task<void> ImageStore::write_layer_archive(std::string folder, UniqueFd output, reactor::StopToken stop) {
    std::vector<std::string> arguments = {"archive", std::move(folder)};
    WorkerEnds ends;
    ends.output = std::move(output);
    CO_TRY(const std::string record, co_await answer_of(std::move(arguments), std::move(ends), stop));
    co_return Result<void>{};
}

}  // namespace engine::storage
