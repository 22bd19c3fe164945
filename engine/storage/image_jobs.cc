// ImageStore's work that takes time: workers fed and heard, layers committed, trees removed, the start's reconciliation.
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
#include "engine/storage/digest.h"
#include "engine/storage/image_store.h"
#include "engine/storage/limits.h"
#include "engine/storage/manifest.h"
#include "engine/storage/worker.h"

namespace engine::storage {
namespace {

constexpr Nanoseconds sweep_delay = 100 * millisecond;  // gathers the trees of many short lives
constexpr std::size_t trees_per_sweep = 256;            // names on one command line

int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string now_text() {
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

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    DIR* dir = ::opendir(folder.c_str());
    if (dir == nullptr) return out;
    while (const dirent* item = ::readdir(dir))
        if (std::string_view(item->d_name) != "." && std::string_view(item->d_name) != "..") out.emplace_back(item->d_name);
    ::closedir(dir);
    return out;
}

bool exists(const std::string& path) {
    struct stat there{};
    return ::lstat(path.c_str(), &there) == 0;
}

}  // namespace

ImageStore::ImageStore(Options options, Database& db, StorageBackend& backend)
    : options_(std::move(options)), db_(db), backend_(backend) {}

Result<std::unique_ptr<ImageStore>> ImageStore::open(Options options, Database& db, StorageBackend& backend) {
    std::unique_ptr<ImageStore> store(new ImageStore(std::move(options), db, backend));
    TRY_VOID(store->reconcile());
    return store;
}

Result<void> ImageStore::reconcile() {
    const std::string& root = options_.data_root;
    for (const char* folder : {"/tmp", "/layers", "/containers"})
        if (::mkdir((root + folder).c_str(), 0711) != 0 && errno != EEXIST)
            return fail_errno(errno, "create " + root + folder);
    TRY(auto layers, db_.layers());
    TRY(auto images, db_.images());
    TRY(auto tags, db_.tags());
    for (auto& layer : layers) {
        layer_of_chain_[layer.chain_id] = layer.number;
        layers_[layer.number] = std::move(layer);
    }
    std::set<int64_t> missing;
    for (const auto& [number, layer] : layers_) {
        if (exists(root + "/layers/" + std::to_string(number) + "/fs")) continue;
        missing.insert(number);
        problems_.push_back("the files of layer " + layer.diff_id + " are missing");
    }
    for (auto& image : images) {
        const auto chain = chain_of(image.top_layer);
        if (std::any_of(chain.begin(), chain.end(), [&](const LayerRow* l) { return missing.contains(l->number); })) {
            problems_.push_back("image " + image.id + " is not usable: files of its layers are missing");
            continue;
        }
        images_[image.id] = std::move(image);
    }
    // A chain whose files are gone must be unpacked again by the next load.
    for (int64_t number : missing) {
        TRY_VOID(db_.delete_layer(number));
        layer_of_chain_.erase(layers_[number].chain_id);
        layers_.erase(number);
    }
    for (auto& tag : tags)
        if (images_.contains(tag.image_id)) tags_[tag.reference] = tag.image_id;
    // Under another name first: what is deleted in the background must not be what this run makes anew.
    const std::string prefix = root + "/tmp/old-" + std::to_string(now_ns()) + "-";
    int aside = 0;
    for (const auto& name : names_in(root + "/tmp")) {
        const std::string from = root + "/tmp/" + name;
        const std::string to = prefix + std::to_string(aside++);
        discard(::rename(from.c_str(), to.c_str()) == 0 ? to : from);
    }
    for (const auto& name : names_in(root + "/layers")) {
        if (name == "0" || !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
        if (layers_.contains(std::strtoll(name.c_str(), nullptr, 10))) continue;
        discard(root + "/layers/" + name);
    }
    return make_init_layer(root, {});
}

Task<void> ImageStore::feed(ByteSource* body, int fd, reactor::StopToken stop) {
    std::vector<std::byte> buffer(256 << 10);
    while (true) {
        const std::span<std::byte> room(buffer);
        CO_TRY(const std::size_t got, co_await body->read(room));
        if (got == 0) co_return {};
        const std::span<const std::byte> bytes(buffer.data(), got);
        auto written = co_await io::write_all(fd, bytes, stop);
        if (!written && written.error().error_number() == EPIPE) co_return {};  // the worker has said why
        if (!written) co_return tl::unexpected<Error>(std::move(written).error());
    }
}

Task<std::string> ImageStore::run_worker(std::vector<std::string> arguments, ByteSource* body, reactor::StopToken stop) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) co_return fail_errno(errno, "pipe");
    UniqueFd result(ends[0]);
    UniqueFd result_child(ends[1]);
    if (::pipe2(ends, O_CLOEXEC) != 0) co_return fail_errno(errno, "pipe");
    UniqueFd input_child(ends[0]);
    UniqueFd input(ends[1]);
    ::fcntl(input.get(), F_SETPIPE_SZ, 1 << 20);
    std::vector<std::string> argv = {options_.worker_path, "worker"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const reactor::FdMapping mappings[] = {{input_child.get(), 0}, {result_child.get(), worker_result_fd}};
    CO_TRY(auto child, reactor::ChildProcess::spawn(argv, {}, mappings));
    input_child.reset();
    result_child.reset();
    if (body != nullptr) {
        auto fed = co_await feed(body, input.get(), stop);
        if (!fed) {
            child.kill(SIGKILL);
            auto ended = co_await child.wait();
            ignore_result(ended, "killed because feeding it failed");
            co_return tl::unexpected<Error>(std::move(fed).error());
        }
    }
    input.reset();
    std::string record;
    std::vector<std::byte> buffer(64 << 10);
    while (true) {
        const std::span<std::byte> room(buffer);
        auto got = co_await io::read(result.get(), room, stop);
        if (!got || record.size() > limits::worker_result_bytes_max) {
            child.kill(SIGKILL);
            auto ended = co_await child.wait();
            ignore_result(ended, "killed because its answer could not be read");
            if (!got) co_return tl::unexpected<Error>(std::move(got).error());
            co_return fail(ErrorKind::too_large, "the worker's answer is too long");
        }
        if (*got == 0) break;
        record.append(reinterpret_cast<const char*>(buffer.data()), *got);
    }
    CO_TRY(const auto status, co_await child.wait());
    if (record.empty())
        co_return fail(ErrorKind::internal, "worker " + arguments[0] + " ended without an answer (" +
                                                (status.signal ? "signal " + std::to_string(status.signal)
                                                               : "exit code " + std::to_string(status.code)) + ")");
    co_return record;
}

Task<std::vector<LoadedImage>> ImageStore::unpack(std::string verb, ByteSource* body, std::string folder,
                                                  reactor::StopToken stop) {
    if (::mkdir(folder.c_str(), 0700) != 0) co_return fail_errno(errno, "create " + folder);
    std::vector<std::string> arguments = {verb, folder};
    CO_TRY(const std::string record, co_await run_worker(std::move(arguments), body, stop));
    co_return decode_images(record);
}

Result<std::string> ImageStore::commit_image(const LoadedImage& image, const std::string& folder) {
    ImageRow row;
    row.id = sha256_of(image.config);
    row.config = image.config;
    row.loaded_at = now_ns();
    std::vector<LayerRow> made;
    std::vector<ChainLink> chain;
    const auto commit = [&]() -> Result<void> {
        std::string chain_id;
        for (const auto& layer : image.layers) {
            chain_id = chain_id.empty() ? layer.diff_id : sha256_of(chain_id + " " + layer.diff_id);
            if (const auto known = layer_of_chain_.find(chain_id); known != layer_of_chain_.end()) {
                row.top_layer = known->second;
                chain.push_back({known->second});
                continue;
            }
            LayerRow next{0, chain_id, layer.diff_id, row.top_layer, layer.size};
            TRY(next.number, db_.next_layer_number());
            made.push_back(next);
            const std::string home = options_.data_root + "/layers/" + std::to_string(next.number);
            if (::mkdir(home.c_str(), 0700) != 0) return fail_errno(errno, "create " + home);
            if (::rename((folder + "/" + layer.folder).c_str(), (home + "/fs").c_str()) != 0)
                return fail_errno(errno, "keep layer " + layer.diff_id);
            TRY_VOID(db_.put_layer(next));
            row.top_layer = next.number;
            chain.push_back({next.number});
        }
        TRY_VOID(make_init_layer(options_.data_root, chain));
        TRY_VOID(db_.put_image(row));
        return db_.commit();
    };
    TRY_VOID(db_.begin());
    auto done = commit();
    if (!done) {
        db_.rollback();
        for (const auto& layer : made) discard(options_.data_root + "/layers/" + std::to_string(layer.number));
        return tl::unexpected<Error>(std::move(done).error());
    }
    for (auto& layer : made) {
        layer_of_chain_[layer.chain_id] = layer.number;
        layers_[layer.number] = std::move(layer);
    }
    std::string id = row.id;
    images_[id] = std::move(row);
    return id;
}

Task<LoadResult> ImageStore::load(ByteSource& body, reactor::StopToken stop) {
    const std::string folder = options_.data_root + "/tmp/load-" + std::to_string(++jobs_);
    auto images = co_await unpack("load", &body, folder, stop);
    LoadResult out;
    const auto commit = [&]() -> Result<void> {
        for (const auto& image : *images) {
            TRY(const std::string id, commit_image(image, folder));
            for (const auto& name : image.tags) {
                TRY(auto reference, parse_reference(name));
                reference = with_default_tag(std::move(reference));
                TRY_VOID(use_tag(reference.text(), id));
                out.loaded.push_back("Loaded image: " + reference.familiar());
            }
            if (image.tags.empty()) out.loaded.push_back("Loaded image ID: " + id);
        }
        return {};
    };
    Result<void> done;
    if (images) {
        done = commit();
    } else {
        done = Result<void>(tl::unexpect, std::move(images).error());
    }
    discard(folder);
    if (!done) co_return tl::unexpected<Error>(std::move(done).error());
    co_return out;
}

Task<std::string> ImageStore::import(ByteSource& body, std::string config, std::string message, std::string reference,
                                     reactor::StopToken stop) {
    std::string full_reference;
    if (!reference.empty()) {
        CO_TRY(auto parsed, parse_reference(reference));
        full_reference = with_default_tag(std::move(parsed)).text();
    }
    const std::string folder = options_.data_root + "/tmp/import-" + std::to_string(++jobs_);
    auto images = co_await unpack("import", &body, folder, stop);
    const auto commit = [&]() -> Result<std::string> {
        if (!images) return tl::unexpected<Error>(std::move(images).error());
        if (images->size() != 1) return fail(ErrorKind::internal, "the worker's answer is malformed");
        LoadedImage& image = images->front();
        TRY(image.config, make_config(config.empty() ? "{}" : config, image.layers[0].diff_id, now_text(), message));
        TRY(std::string made, commit_image(image, folder));
        if (!full_reference.empty()) {
            TRY_VOID(use_tag(full_reference, made));
        }
        return made;
    };
    auto id = commit();
    discard(folder);
    co_return id;
}

Result<void> ImageStore::collect_layers(std::vector<RemovedItem>* out) {
    std::set<int64_t> live;
    for (const auto& [id, row] : images_)
        for (const LayerRow* layer : chain_of(row.top_layer)) live.insert(layer->number);
    for (const auto& [id, held] : held_)
        for (const LayerRow* layer : chain_of(held.second)) live.insert(layer->number);
    std::vector<int64_t> dead;
    for (const auto& [number, layer] : layers_)
        if (!live.contains(number)) dead.push_back(number);
    std::reverse(dead.begin(), dead.end());
    for (int64_t number : dead) {
        TRY_VOID(db_.delete_layer(number));
        if (out != nullptr) out->push_back({false, layers_[number].chain_id});
        layer_of_chain_.erase(layers_[number].chain_id);
        layers_.erase(number);
        const std::string home = options_.data_root + "/layers/" + std::to_string(number);
        const std::string aside = options_.data_root + "/tmp/layer-" + std::to_string(number);
        discard(::rename(home.c_str(), aside.c_str()) == 0 ? aside : home);
    }
    return {};
}

void ImageStore::discard(std::string path) {
    if (!exists(path)) return;
    trash_.push_back(std::move(path));
    if (sweeping_) return;
    sweeping_ = true;
    scope_.spawn("sweeper", sweep());
}

// One process for many trees: a short-lived container's costs less to delete than a process to start. What is left at the
// end of the engine lies in tmp, where the next start finds it.
Task<void> ImageStore::sweep() {
    const reactor::StopToken stop = scope_.token();
    while (!trash_.empty()) {
        auto waited = co_await reactor::sleep_for(sweep_delay, stop);
        if (!waited) break;
        const auto taken = std::min(trash_.size(), trees_per_sweep);
        std::vector<std::string> arguments = {"remove"};
        arguments.insert(arguments.end(), trash_.begin(), trash_.begin() + static_cast<std::ptrdiff_t>(taken));
        trash_.erase(trash_.begin(), trash_.begin() + static_cast<std::ptrdiff_t>(taken));
        auto record = co_await run_worker(std::move(arguments), nullptr, stop);
        auto answer = record ? decode_images(*record) : Result<std::vector<LoadedImage>>(tl::unexpect, std::move(record).error());
        if (!answer) log_warn("deleting what was removed: " + answer.error().message());
    }
    sweeping_ = false;
    co_return Result<void>{};
}

Task<RootfsPlan> ImageStore::prepare_rootfs(std::string container_id, std::string image_id, reactor::StopToken stop) {
    CO_TRY(const Image image, find(image_id));
    CO_TRY_VOID(make_init_layer(options_.data_root, image.chain));
    CO_TRY(RootfsPlan plan, backend_.prepare(container_id, image.chain));
    std::vector<std::string> arguments = backend_.copy_arguments(container_id, image.chain);
    if (arguments.empty()) co_return plan;
    auto record = co_await run_worker(std::move(arguments), nullptr, stop);
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

Result<void> ImageStore::remove_rootfs(std::string_view container_id) {
    TRY(std::string aside, backend_.remove(container_id));
    if (!aside.empty()) discard(std::move(aside));
    return {};
}

}  // namespace engine::storage
