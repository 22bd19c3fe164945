#include "engine/storage/image_store.h"

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/digest.h"
#include "engine/storage/familiar.h"
#include "engine/storage/manifest.h"

namespace engine::storage {
namespace {

tl::unexpected<Error> no_such_image(std::string_view name) {
    return fail(ErrorKind::not_found, "No such image: " + std::string(name));
}

}  // namespace

std::vector<const LayerRow*> ImageStore::chain_of(int64_t top) const {
    std::vector<const LayerRow*> out;
    for (auto at = layers_.find(top); at != layers_.end() && out.size() <= layers_.size();
         at = layers_.find(at->second.parent))
        out.push_back(&at->second);
    std::reverse(out.begin(), out.end());
    return out;
}

bool ImageStore::is_whole(int64_t top) const {
    for (size_t steps = 0; top != 0; steps++) {
        const auto at = layers_.find(top);
        if (at == layers_.end() || steps > layers_.size()) return false;
        top = at->second.parent;
    }
    return true;
}

std::vector<std::string> ImageStore::references_of(std::string_view id) const {
    std::vector<std::string> out;
    for (const auto& [reference, image] : tags_)
        if (image == id) out.push_back(reference);
    return out;
}

Image ImageStore::describe(const ImageRow& row) const {
    Image out;
    out.id = row.id;
    out.config = row.config;
    out.loaded_at = row.loaded_at;
    for (const LayerRow* layer : chain_of(row.top_layer)) {
        out.chain.push_back({layer->number});
        out.diff_ids.push_back(layer->diff_id);
        out.layer_sizes.push_back(layer->size);
        out.size += layer->size;
    }
    for (const auto& reference : references_of(row.id))
        (reference.find('@') == std::string::npos ? out.tags : out.digests).push_back(familiar_of(reference));
    if (const auto parent = parents_.find(row.id); parent != parents_.end()) out.parent = parent->second;
    if (const auto tagged = tag_times_.find(row.id); tagged != tag_times_.end()) out.tagged_at = tagged->second;
    return out;
}

std::vector<Image> ImageStore::list() const {
    std::vector<Image> out;
    for (const auto& [id, row] : images_) out.push_back(describe(row));
    return out;
}

Result<std::string> ImageStore::resolve(std::string_view name) const {
    const std::string_view hex = name.starts_with("sha256:") ? name.substr(7) : name;
    if (is_hex(hex) && hex.size() == 64) {
        const auto at = images_.find("sha256:" + std::string(hex));
        if (at != images_.end()) return at->first;
        return no_such_image(name);
    }
    auto parsed = parse_reference(name);
    if (!parsed && !is_hex(hex)) return fail(std::move(parsed).error());
    std::string shown(name);
    if (parsed) {
        const Reference reference = with_default_tag(std::move(*parsed));
        shown = reference.familiar();
        if (const auto at = tags_.find(reference.text()); at != tags_.end()) return at->second;
    }
    if (!is_hex(hex)) return no_such_image(shown);
    // A prefix that fits two images names none of them: dockerd's answer is the same sentence.
    const std::string prefix = "sha256:" + std::string(hex);
    auto at = images_.lower_bound(prefix);
    if (at == images_.end() || !at->first.starts_with(prefix)) return no_such_image(shown);
    const auto next = std::next(at);
    if (next != images_.end() && next->first.starts_with(prefix)) return no_such_image(shown);
    return at->first;
}

Result<Image> ImageStore::find(std::string_view name) const {
    TRY(const std::string id, resolve(name));
    return describe(images_.find(id)->second);
}

Result<void> ImageStore::use_tag(const std::string& reference, const std::string& id) {
    TRY_VOID(db_.put_tag({reference, id}));
    tags_[reference] = id;
    return {};
}

Result<void> ImageStore::remember_tag_time(const std::string& id) {
    const int64_t now = realtime_ns();
    TRY_VOID(db_.put_tag_time(id, now));
    tag_times_[id] = now;
    return {};
}

Result<void> ImageStore::tag(std::string_view image, std::string_view reference) {
    TRY(auto parsed, parse_reference(reference));
    if (!parsed.digest.empty()) return fail(ErrorKind::invalid, "refusing to create a tag with a digest reference");
    if (parsed.familiar_name() == "sha256")
        return fail(ErrorKind::invalid, "refusing to create an ambiguous tag using digest algorithm as name");
    TRY(const std::string id, resolve(image));
    parsed = with_default_tag(std::move(parsed));
    TRY_VOID(use_tag(parsed.text(), id));
    TRY_VOID(remember_tag_time(id));
    tell("tag", id, parsed.familiar());
    return {};
}

int64_t ImageStore::layers_size() const {
    int64_t out = 0;
    for (const auto& [number, layer] : layers_) out += layer.size;
    return out;
}

int64_t ImageStore::shared_size(std::string_view id) const {
    std::map<int64_t, int> users;
    for (const auto& [other, row] : images_)
        for (const LayerRow* layer : chain_of(row.top_layer)) users[layer->number]++;
    const auto at = images_.find(id);
    if (at == images_.end()) return 0;
    int64_t out = 0;
    for (const LayerRow* layer : chain_of(at->second.top_layer))
        if (users[layer->number] > 1) out += layer->size;
    return out;
}

void ImageStore::tell(std::string_view action, const std::string& id, const std::string& name) const {
    if (!event_handler_) return;
    const auto row = images_.find(id);
    event_handler_(action, ImageEvent{id, name, row == images_.end() ? std::string() : row->second.config});
}

std::optional<int64_t> ImageStore::top_layer_of(std::string_view image_id) const {
    if (const auto image = images_.find(image_id); image != images_.end()) return image->second.top_layer;
    if (const auto ghost = ghosts_.find(image_id); ghost != ghosts_.end()) return ghost->second;
    return std::nullopt;
}

void ImageStore::hold(std::string_view image_id) {
    auto& held = held_[std::string(image_id)];
    held.first++;
    if (const auto top = top_layer_of(image_id)) held.second = *top;
}

void ImageStore::release(std::string_view image_id) {
    const auto at = held_.find(image_id);
    if (at == held_.end() || --at->second.first > 0) return;
    held_.erase(at);
    const auto ghost = ghosts_.find(image_id);
    if (ghost == ghosts_.end()) return;  // the image itself keeps its layers
    ghosts_.erase(ghost);
    ignore_result(db_.delete_ghost(image_id), "a ghost nobody holds goes at the next start");
    ignore_result(collect_layers(nullptr), "what stays is collected at the next removal");
}

}  // namespace engine::storage
