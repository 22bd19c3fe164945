// ImageStore's work that takes time: workers fed and heard, layers committed, trees removed, the start's
// reconciliation.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <csignal>

#include "engine/reactor/child_process.h"
#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/digest.h"
#include "engine/storage/image_store.h"
#include "engine/storage/limits.h"
#include "engine/storage/manifest.h"

namespace engine::storage {
namespace {

constexpr Nanoseconds sweep_delay = 100 * millisecond;  // gathers the trees of many short lives
constexpr Nanoseconds sweep_retry = 1 * second;
constexpr std::size_t trees_per_sweep = 256;

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    DIR* dir = ::opendir(folder.c_str());
    if (dir == nullptr) return out;
    while (const dirent* item = ::readdir(dir))
        if (std::string_view(item->d_name) != "." && std::string_view(item->d_name) != "..")
            out.emplace_back(item->d_name);
    ::closedir(dir);
    return out;
}

bool exists(const std::string& path) {
    struct stat there {};
    return ::lstat(path.c_str(), &there) == 0;
}

// The tree last: a layer that has one is whole.
Result<void> keep_layer(const std::string& from, const std::string& home) {
    for (const char* name : {"/blob", "/split", "/replaced", "/fs"}) {
        const bool optional = std::string_view(name) != "/fs";
        // What a layer that lost its tree still has goes with the folder it is filled from.
        if (optional) ::rename((home + name).c_str(), (from + name + ".lost").c_str());
        if (::rename((from + name).c_str(), (home + name).c_str()) != 0 && !(optional && errno == ENOENT))
            return fail_errno(errno, from + name);
    }
    return {};
}

}  // namespace

std::string ImageStore::now_text() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char date[32];
    char out[64];
    ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(out, sizeof out, "%s.%09ldZ", date, now.tv_nsec);
    return out;
}

ImageStore::ImageStore(Options options, Database& db, StorageBackend& backend)
    : options_(std::move(options)), db_(db), backend_(backend), remover_(options_.worker_path) {}

Result<std::unique_ptr<ImageStore>> ImageStore::open(Options options, Database& db, StorageBackend& backend) {
    std::unique_ptr<ImageStore> store(new ImageStore(std::move(options), db, backend));
    TRY_VOID(store->reconcile());
    return store;
}

// What the database says, as far as the files are there.
Result<void> ImageStore::read_rows() {
    TRY(auto layers, db_.layers());
    TRY(auto images, db_.images());
    TRY(auto tags, db_.tags());
    TRY(auto tag_times, db_.tag_times());
    TRY(auto ghosts, db_.ghosts());
    TRY(auto parents, db_.parents());
    ghosts_.clear();
    for (auto& ghost : ghosts) ghosts_[ghost.image_id] = ghost.top_layer;
    layers_.clear();
    layer_of_chain_.clear();
    images_.clear();
    tags_.clear();
    tag_times_.clear();
    lost_.clear();
    problems_.clear();
    for (auto& layer : layers) {
        if (!exists(options_.data_root + "/layers/" + std::to_string(layer.number) + "/fs")) {
            lost_[layer.chain_id] = layer.number;
            problems_.push_back("the files of layer " + layer.diff_id + " are missing");
            continue;
        }
        layer_of_chain_[layer.chain_id] = layer.number;
        layers_[layer.number] = std::move(layer);
    }
    for (auto& image : images) {
        if (is_whole(image.top_layer)) {
            images_[image.id] = std::move(image);
        } else {
            problems_.push_back("image " + image.id + " is not usable: files of its layers are missing");
        }
    }
    for (auto& tag : tags)
        if (images_.contains(tag.image_id)) tags_[tag.reference] = tag.image_id;
    for (auto& time : tag_times) tag_times_[time.image_id] = time.at;
    parents_.clear();
    for (auto& row : parents)
        if (images_.contains(row.image_id) && images_.contains(row.parent_id)) parents_[row.image_id] = row.parent_id;
    return {};
}

Result<void> ImageStore::reconcile() {
    const std::string& root = options_.data_root;
    for (const char* folder : {"/tmp", "/layers", "/containers"})
        if (::mkdir((root + folder).c_str(), 0711) != 0 && errno != EEXIST)
            return fail_errno(errno, "create " + root + folder);
    TRY_VOID(read_rows());
    // Under another name first: what is deleted in the background must not be what this run makes anew.
    const std::string prefix = root + "/tmp/old-" + std::to_string(realtime_ns()) + "-";
    int aside = 0;
    for (const auto& name : names_in(root + "/tmp")) {
        const std::string from = root + "/tmp/" + name;
        const std::string to = prefix + std::to_string(aside++);
        discard(::rename(from.c_str(), to.c_str()) == 0 ? to : from);
    }
    for (const auto& name : names_in(root + "/layers")) {
        if (name == "0" || !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
            continue;
        const int64_t number = std::strtoll(name.c_str(), nullptr, 10);
        const bool lost =
            std::any_of(lost_.begin(), lost_.end(), [&](const auto& one) { return one.second == number; });
        if (layers_.contains(number) || lost) continue;
        const std::string to = prefix + std::to_string(aside++);
        if (::rename((root + "/layers/" + name).c_str(), to.c_str()) == 0) discard(to);
    }
    // A container's folder is made before its row and outlives it for a moment.
    TRY(const auto ids, db_.container_ids());
    const std::set<std::string> known(ids.begin(), ids.end());
    for (const auto& name : names_in(root + "/containers")) {
        if (name.size() != 64 || !is_hex(name) || known.contains(name)) continue;  // not one of ours, or in use
        const std::string to = prefix + std::to_string(aside++);
        if (::rename((root + "/containers/" + name).c_str(), to.c_str()) == 0) discard(to);
    }
    return make_init_layer(root, {});
}

Task<std::vector<LoadedImage>> ImageStore::unpack(std::string verb, ByteSource* body, std::string folder,
                                                  reactor::StopToken stop) {
    if (::mkdir(folder.c_str(), 0700) != 0) co_return fail_errno(errno, "create " + folder);
    std::vector<std::string> arguments = {verb, folder};
    WorkerEnds ends;
    ends.body = body;
    CO_TRY(const std::string record, co_await answer_of(std::move(arguments), std::move(ends), stop));
    co_return decode_images(record);
}

// Within the caller's transaction. Layers known already are left in the folder, which the caller discards.
Result<std::string> ImageStore::commit_image(const LoadedImage& image, const std::string& folder,
                                             std::vector<NewLayer>* made) {
    ImageRow row;
    row.id = sha256_of(image.config);
    row.config = image.config;
    row.loaded_at = realtime_ns();
    std::vector<ChainLink> chain;
    std::string chain_id;
    for (const auto& layer : image.layers) {
        chain_id = chain_id.empty() ? layer.diff_id : sha256_of(chain_id + " " + layer.diff_id);
        if (const auto known = layer_of_chain_.find(chain_id); known != layer_of_chain_.end()) {
            row.top_layer = known->second;
            chain.push_back({known->second});
            continue;
        }
        LayerRow next{0, chain_id, layer.diff_id, row.top_layer, layer.size,
                      layer.blob_digest, layer.blob_size, layer.tar_bytes};
        if (const auto lost = lost_.find(chain_id); lost != lost_.end()) {
            next.number = lost->second;  // other images name this number
        } else {
            TRY(next.number, db_.next_layer_number());
        }
        const std::string home = options_.data_root + "/layers/" + std::to_string(next.number);
        if (::mkdir(home.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, "create " + home);
        if (auto kept = keep_layer(folder + "/" + layer.folder, home); !kept) {
            ::rmdir(home.c_str());
            return fail(std::move(kept).error().with_context("keep layer " + layer.diff_id));
        }
        TRY_VOID(db_.put_layer(next));
        row.top_layer = next.number;
        chain.push_back({next.number});
        if (made != nullptr) made->push_back({layer.diff_id, layer.tar_bytes});
        layer_of_chain_[chain_id] = next.number;
        layers_[next.number] = std::move(next);
    }
    TRY_VOID(make_init_layer(options_.data_root, chain));
    TRY_VOID(db_.put_image(row));
    std::string id = row.id;
    images_[id] = std::move(row);
    return id;
}

Result<void> ImageStore::commit_loaded(const std::vector<LoadedImage>& images, const std::string& folder,
                                       LoadResult& out) {
    bool named = false;
    std::vector<std::string> ids;
    for (const auto& image : images) {
        std::vector<Reference> references;
        for (const auto& name : image.tags) {
            TRY(auto reference, parse_reference(name));
            references.push_back(with_default_tag(std::move(reference)));
        }
        TRY(const std::string id, commit_image(image, folder, &out.layers));
        for (const auto& reference : references) {
            const auto before = tags_.find(reference.text());
            if (before != tags_.end() && before->second != id)
                out.loaded.push_back("The image " + reference.familiar() +
                                     " already exists, renaming the old one with ID " + before->second +
                                     " to empty string");
            TRY_VOID(use_tag(reference.text(), id));
            out.loaded.push_back("Loaded image: " + reference.familiar());
            named = true;
        }
        ids.push_back(id);
    }
    for (const auto& id : ids)
        if (!named) out.loaded.push_back("Loaded image ID: " + id);
    out.ids = std::move(ids);
    return {};
}

// All of an archive or nothing: rows in one transaction; what the renames of a failed one left behind goes too.
Result<void> ImageStore::in_transaction(const std::function<Result<void>()>& work) {
    TRY_VOID(db_.begin());
    Result<void> done = work();
    if (done) {
        done = db_.commit();
    }
    const bool healed = done && std::any_of(lost_.begin(), lost_.end(),
                                            [&](const auto& one) { return layer_of_chain_.contains(one.first); });
    if (done && !healed) return {};
    if (!done) db_.rollback();
    const auto had = layers_;
    TRY_VOID(read_rows());
    for (const auto& [number, layer] : had)
        if (!layers_.contains(number)) discard(set_layer_aside(number));
    return done;
}

Task<LoadResult> ImageStore::load(ByteSource& body, reactor::StopToken stop) {
    const std::string folder = options_.data_root + "/tmp/load-" + std::to_string(++jobs_);
    auto images = co_await unpack("load", &body, folder, stop);
    LoadResult out;
    Result<void> done;
    if (images) {
        done = in_transaction([&] { return commit_loaded(*images, folder, out); });
    } else {
        done = Result<void>(tl::unexpect, std::move(images).error());
    }
    discard(folder);
    if (!done) co_return tl::unexpected<Error>(std::move(done).error());
    for (const auto& id : out.ids) tell("load", id, id);
    co_return out;
}

Task<std::string> ImageStore::import(ByteSource& body, std::string config, std::string message, std::string reference,
                                     reactor::StopToken stop) {
    std::string full_reference;
    std::string familiar_reference;
    if (!reference.empty()) {
        CO_TRY(auto parsed, parse_reference(reference));
        parsed = with_default_tag(std::move(parsed));
        full_reference = parsed.text();
        familiar_reference = parsed.familiar();
    }
    const std::string folder = options_.data_root + "/tmp/import-" + std::to_string(++jobs_);
    auto images = co_await unpack("import", &body, folder, stop);
    std::string id;
    const auto commit = [&]() -> Result<void> {
        if (images->size() != 1 || images->front().layers.size() != 1)
            return fail(ErrorKind::internal, "the worker's answer is malformed");
        LoadedImage& image = images->front();
        TRY(image.config, make_config(config.empty() ? "{}" : config, image.layers[0].diff_id, now_text(), message));
        TRY(id, commit_image(image, folder, nullptr));
        if (full_reference.empty()) return {};
        TRY_VOID(use_tag(full_reference, id));
        return remember_tag_time(id);
    };
    Result<void> done;
    if (images) {
        done = in_transaction(commit);
    } else {
        done = Result<void>(tl::unexpect, std::move(images).error());
    }
    discard(folder);
    if (!done) co_return tl::unexpected<Error>(std::move(done).error());
    if (!full_reference.empty()) tell("tag", id, familiar_reference);
    tell("import", id, id);
    co_return id;
}

// The folder under another name, out of the way of a layer that takes its number again.
std::string ImageStore::set_layer_aside(int64_t number) {
    const std::string home = options_.data_root + "/layers/" + std::to_string(number);
    const std::string aside =
        options_.data_root + "/tmp/layer-" + std::to_string(number) + "-" + std::to_string(++jobs_);
    return ::rename(home.c_str(), aside.c_str()) == 0 ? aside : home;
}

Result<void> ImageStore::collect_layers(std::vector<RemovedItem>* out) {
    std::set<int64_t> live;
    for (const auto& [id, row] : images_)
        for (const LayerRow* layer : chain_of(row.top_layer)) live.insert(layer->number);
    for (const auto& [id, held] : held_)
        for (const LayerRow* layer : chain_of(held.second)) live.insert(layer->number);
    std::erase_if(ghosts_, [&](const auto& ghost) {
        if (held_.contains(ghost.first)) return false;
        ignore_result(db_.delete_ghost(ghost.first), "it is asked again at the next start");
        return true;
    });
    std::vector<int64_t> dead;
    for (const auto& [number, layer] : layers_)
        if (!live.contains(number)) dead.push_back(number);
    std::reverse(dead.begin(), dead.end());
    for (int64_t number : dead) {
        TRY_VOID(db_.delete_layer(number));
        if (out != nullptr) out->push_back({false, layers_[number].chain_id});
        layer_of_chain_.erase(layers_[number].chain_id);
        layers_.erase(number);
        discard(set_layer_aside(number));
    }
    return dead.empty() ? Result<void>() : db_.forget_blobs_unused();
}

void ImageStore::discard(std::string path) {
    if (!exists(path)) return;
    trash_.push_back(std::move(path));
    trash_came_.notify_all();
    if (!sweeping_) begin_sweep();
}

void ImageStore::begin_sweep() {
    sweeping_ = true;
    scope_.spawn("sweeper", sweep());
}

// Gathers the trees of many short lives for one order. What is left at the end of the engine lies in tmp, where the
// next start finds it.
Task<void> ImageStore::sweep() {
    const reactor::StopToken stop = scope_.token();
    while (!stop.stop_requested()) {
        if (trash_.empty()) {
            reactor::Deadline idle(options_.remover_lingers, stop);
            const reactor::StopToken idle_stop = idle.token();
            auto came = co_await trash_came_.wait(idle_stop);
            if (!came) break;
        }
        auto waited = co_await reactor::sleep_for(sweep_delay, stop);
        if (!waited) break;
        const auto taken = static_cast<std::ptrdiff_t>(std::min(trash_.size(), trees_per_sweep));
        std::vector<std::string> trees(trash_.begin(), trash_.begin() + taken);
        std::vector<std::string> order = trees;
        trash_.erase(trash_.begin(), trash_.begin() + taken);
        auto removed = co_await remover_.remove(std::move(order), stop);
        if (!removed && removed.error().kind() == ErrorKind::exhausted) {  // no descriptors or no memory now: later
            trash_.insert(trash_.end(), trees.begin(), trees.end());
            auto slept = co_await reactor::sleep_for(sweep_retry, stop);
            ignore_result(slept, "the loop's own wait sees a stop");
            continue;
        }
        if (!removed && !stop.stop_requested()) log_warn("deleting what was removed: " + removed.error().message());
    }
    auto rested = co_await remover_.rest();
    sweeping_ = false;
    if (!trash_.empty() && !stop.stop_requested()) begin_sweep();
    co_return rested;
}

Task<RootfsPlan> ImageStore::prepare_rootfs(std::string container_id, std::string image_id, reactor::StopToken stop) {
    const auto top = top_layer_of(image_id);
    if (!top || !is_whole(*top)) co_return fail(ErrorKind::not_found, "No such image: " + image_id);
    std::vector<ChainLink> chain;
    for (const LayerRow* layer : chain_of(*top)) chain.push_back({layer->number});
    CO_TRY_VOID(make_init_layer(options_.data_root, chain));
    CO_TRY(RootfsPlan plan, backend_.prepare(container_id, chain));
    std::vector<std::string> arguments = backend_.copy_arguments(container_id, chain);
    if (arguments.empty()) co_return plan;
    WorkerEnds nothing;
    auto record = co_await answer_of(std::move(arguments), std::move(nothing), stop);
    Result<void> done;
    if (!record) {
        done = Result<void>(tl::unexpect, std::move(record).error());
    } else if (auto answer = decode_images(*record); !answer) {
        done = Result<void>(tl::unexpect, std::move(answer).error());
    } else {
        done = backend_.copied(container_id);
    }
    if (done) co_return plan;
    ignore_result(remove_rootfs(container_id), "the failed copy is what is reported");
    co_return tl::unexpected<Error>(std::move(done).error());
}

RootfsPlan ImageStore::rootfs_of(std::string_view container_id, std::string_view image_id) const {
    std::vector<ChainLink> chain;
    const auto held = held_.find(image_id);
    if (held != held_.end())
        for (const LayerRow* layer : chain_of(held->second.second)) chain.push_back({layer->number});
    return backend_.plan(container_id, chain);
}

Task<int64_t> ImageStore::rootfs_size(std::string container_id, std::string image_id, reactor::StopToken stop) {
    const RootfsPlan plan = rootfs_of(container_id, image_id);
    std::vector<std::string> arguments = {"size", plan.upper};
    if (plan.kind == RootfsPlan::Kind::directory) {
        arguments = tree_arguments(container_id, image_id);
        arguments.insert(arguments.begin(), "changed");
    }
    WorkerEnds nothing;
    CO_TRY(const std::string record, co_await answer_of(std::move(arguments), std::move(nothing), stop));
    co_return decode_size(record);
}

Result<void> ImageStore::remove_rootfs(std::string_view container_id) {
    TRY(std::string aside, backend_.remove(container_id));
    if (!aside.empty()) discard(std::move(aside));
    return {};
}

}  // namespace engine::storage
