// How images go: by name, by id, all that nothing uses. What stands in the way is told in dockerd's words.
#include <algorithm>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/storage/familiar.h"
#include "engine/storage/image_store.h"

namespace engine::storage {
namespace {

std::string short_id(std::string_view id) {
    if (id.starts_with("sha256:")) id.remove_prefix(7);
    return std::string(id.substr(0, 12));
}

bool is_digested(const std::string& reference) { return reference.find('@') != std::string::npos; }

std::string name_of(const std::string& reference) {
    const auto parsed = parse_reference(reference);
    return parsed ? parsed->name() : reference;
}

// One name: at most one tag, and digests of the same repository beside it.
bool is_single(const std::vector<std::string>& references) {
    if (references.size() <= 1) return references.size() == 1;
    const auto tags =
        std::count_if(references.begin(), references.end(), [](const auto& one) { return !is_digested(one); });
    const std::string first = name_of(references.front());
    return tags <= 1 && std::all_of(references.begin(), references.end(),
                                    [&](const auto& reference) { return name_of(reference) == first; });
}

bool is_prefix_of_id(std::string_view id, std::string_view text) {
    return id.starts_with(text) || id.substr(7).starts_with(text);
}

}  // namespace

bool ImageStore::has_children(std::string_view id) const {
    return std::any_of(parents_.begin(), parents_.end(), [&](const auto& row) { return row.second == id; });
}

std::vector<Image> ImageStore::ancestors(std::string_view id) const {
    std::vector<Image> out;
    for (auto at = parents_.find(id); at != parents_.end() && out.size() < parents_.size();
         at = parents_.find(out.back().id))
        out.push_back(describe(images_.find(at->second)->second));
    return out;
}

Result<void> ImageStore::untag(const std::string& reference, std::vector<RemovedItem>& out) {
    TRY_VOID(db_.delete_tag(reference));
    tags_.erase(reference);
    out.push_back({true, familiar_of(reference)});
    return {};
}

std::optional<ImageStore::Refusal> ImageStore::refusal(const std::string& id, unsigned asked,
                                                       const UsersOf& users) const {
    const auto told = [&](bool forcible, const std::string& why, bool used) {
        return Refusal{"conflict: unable to delete " + short_id(id) +
                           (forcible ? " (must be forced) - " : " (cannot be forced) - ") + why,
                       used};
    };
    const auto used_by = users ? users(id) : std::vector<ContainerUse>();
    if ((asked & Conflict::by_child) != 0 && has_children(id))
        return told(false, "image has dependent child images", false);
    for (const auto& use : used_by)
        if ((asked & Conflict::by_running) != 0 && use.running)
            return told(false, "image is being used by running container " + short_id(use.container_id), true);
    if ((asked & Conflict::by_name) != 0 && !references_of(id).empty())
        return told(true, "image is referenced in multiple repositories", false);
    for (const auto& use : used_by)
        if ((asked & Conflict::by_stopped) != 0 && !use.running)
            return told(true, "image is being used by stopped container " + short_id(use.container_id), true);
    return std::nullopt;
}

Result<void> ImageStore::delete_image(const std::string& id, std::vector<RemovedItem>& out) {
    const auto references = references_of(id);
    const auto delete_rows = [&]() -> Result<void> {
        TRY_VOID(db_.begin());
        for (const auto& reference : references) {
            TRY_VOID(db_.delete_tag(reference));
        }
        TRY_VOID(db_.delete_tag_time(id));
        TRY_VOID(db_.delete_parent(id));
        TRY_VOID(db_.delete_image(id));
        if (held_.contains(id)) {
            TRY_VOID(db_.put_ghost(id, images_.find(id)->second.top_layer));
        }
        return db_.commit();
    };
    auto done = delete_rows();
    if (!done && done.error().error_number() == ENOSPC) {
        db_.rollback();
        done = delete_rows();
    }
    if (!done) {
        db_.rollback();
        return done;
    }
    for (const auto& reference : references) {
        tags_.erase(reference);
        out.push_back({true, familiar_of(reference)});
        tell("untag", id, id);
    }
    if (held_.contains(id)) ghosts_[id] = images_.find(id)->second.top_layer;
    images_.erase(id);
    tag_times_.erase(id);
    parents_.erase(id);
    tell("delete", id, id);
    out.push_back({false, id});
    return collect_layers(&out);
}

// quiet: a name has gone already; that the image itself stays is then no error, unless nothing would show it any more.
Result<void> ImageStore::delete_unless(const std::string& id, bool force, bool prune, bool quiet, const UsersOf& users,
                                       std::vector<RemovedItem>& out) {
    if (auto why = refusal(id, force ? Conflict::by_hard : Conflict::by_hard | Conflict::by_soft, users)) {
        const bool dangling = references_of(id).empty() && !has_children(id);
        if (quiet && (!dangling || why->used)) return {};
        return fail(ErrorKind::conflict, std::move(why->message));
    }
    const auto at = parents_.find(id);
    const std::string parent = at == parents_.end() ? std::string() : at->second;
    TRY_VOID(delete_image(id, out));
    return prune && !parent.empty() ? delete_unless(parent, false, true, true, users, out) : Result<void>();
}

Result<std::vector<RemovedItem>> ImageStore::remove(std::string_view name, bool force, bool prune,
                                                    const UsersOf& users) {
    TRY(const std::string id, resolve(name));
    std::vector<RemovedItem> out;
    auto references = references_of(id);
    if (is_prefix_of_id(id, name)) {
        if (is_single(references)) {
            const unsigned asked = force ? Conflict::by_hard : Conflict::by_hard | Conflict::by_stopped;
            if (auto why = refusal(id, asked, users)) return fail(ErrorKind::conflict, std::move(why->message));
            TRY_VOID(delete_unless_named(id, prune, force, users, out));
            return out;
        }
        TRY_VOID(delete_unless(id, force, prune, false, users, out));
        return out;
    }
    if (!force && is_single(references)) {
        const auto used_by = users ? users(id) : std::vector<ContainerUse>();
        if (!used_by.empty())
            return fail(ErrorKind::conflict, "conflict: unable to remove repository reference \"" + std::string(name) +
                                                 "\" (must force) - container " + short_id(used_by[0].container_id) +
                                                 " is using its referenced image " + short_id(id));
    }
    TRY(auto parsed, parse_reference(name));
    const Reference reference = with_default_tag(std::move(parsed));
    TRY_VOID(untag(reference.text(), out));
    tell("untag", id, id);
    references = references_of(id);
    const auto same = [&](const std::string& one, bool digested) {
        return is_digested(one) == digested && name_of(one) == reference.name();
    };
    const bool tag_left =
        std::any_of(references.begin(), references.end(), [&](const auto& one) { return same(one, false); });
    for (const auto& one : references) {
        if (!reference.digest.empty() || tag_left || !same(one, true)) continue;
        TRY_VOID(untag(one, out));
    }
    if (!references_of(id).empty()) return out;
    TRY_VOID(delete_unless(id, force, prune, true, users, out));
    return out;
}

// An id that has one name takes the name along.
Result<void> ImageStore::delete_unless_named(const std::string& id, bool prune, bool force, const UsersOf& users,
                                             std::vector<RemovedItem>& out) {
    for (const auto& reference : references_of(id)) {
        TRY_VOID(untag(reference, out));
        tell("untag", id, id);
    }
    return delete_unless(id, force, prune, false, users, out);
}

PruneReport ImageStore::prune(bool tagged_too, const std::function<bool(const Image&)>& wanted, const UsersOf& users) {
    PruneReport report;
    std::map<std::string, int64_t> sizes;
    for (const auto& [number, layer] : layers_) sizes[layer.chain_id] = layer.size;
    std::vector<std::string> ids;
    for (const auto& [id, row] : images_) {
        const bool named = !references_of(id).empty();
        if (has_children(id) && (!tagged_too || !named)) continue;
        if (wanted(describe(row))) ids.push_back(id);
    }
    const auto remove_quietly = [&](const std::string& name) {
        auto removed = remove(name, false, true, users);
        if (removed) {
            report.removed.insert(report.removed.end(), removed->begin(), removed->end());
        } else if (removed.error().kind() != ErrorKind::conflict && removed.error().kind() != ErrorKind::not_found) {
            log_warn("pruning image " + name + ": " + removed.error().message());
        }
    };
    for (const auto& id : ids) {
        if (!images_.contains(id)) continue;  // went as another's parent
        const auto references = references_of(id);
        const bool tagged = std::any_of(references.begin(), references.end(),
                                        [](const auto& reference) { return !is_digested(reference); });
        if (tagged && !tagged_too) continue;
        if (references.empty()) remove_quietly(id.substr(7));
        for (const auto& reference : references) remove_quietly(reference);
    }
    for (const auto& item : report.removed)
        if (!item.untagged && sizes.contains(item.name)) report.reclaimed += sizes[item.name];
    return report;
}

}  // namespace engine::storage
