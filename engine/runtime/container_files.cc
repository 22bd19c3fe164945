#include "engine/runtime/container_files.h"

#include <algorithm>
#include <optional>

#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/mount_spec.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/child_config.h"
#include "engine/storage/config_changes.h"
#include "engine/storage/container_archive.h"
#include "engine/storage/image_store.h"
#include "engine/storage/worker_job.h"

namespace engine::runtime {
namespace {

// dockerd's answer to a path that is not there.
Error told(Error error, const std::string& path, const std::string& reference) {
    if (error.kind() != ErrorKind::not_found) return error;
    return Error(ErrorKind::not_found, "Could not find the file " + path + " in container " + reference);
}

}  // namespace

struct ContainerFiles::Opened {
    ~Opened() {
        job.reset();
        images->discard(work);
    }
    storage::ImageStore* images;
    std::string work;
    std::optional<storage::WorkerJob> job;
    std::string record;
    std::shared_ptr<Container> container;
    std::string event;  // told when all of it is sent
};

void ContainerFiles::CloseOpened::operator()(Opened* opened) const { delete opened; }

storage::RootfsView ContainerFiles::view_of(const Container& container, bool writable) {
    storage::RootfsView view;
    view.rootfs = images_.rootfs_of(container.id, container.image_id);
    view.data_root = options_.data_root;
    view.work = options_.data_root + "/tmp/view-" + std::to_string(++views_);
    view.running = container.running() && container.held.pidfd;
    view.writable = writable;
    view.read_only_rootfs = container.spec.readonly_rootfs;
    for (const MountSpec& mount : mounts_of(container.spec)) {
        if (mount.type != MountType::bind) continue;
        view.mounts.push_back({mount.source, mount.target, mount.read_only, mount.recursive, true});
    }
    const ContainerPaths paths = containers_.paths_of(container);
    const std::pair<const std::string&, const char*> own[] = {
        {paths.hosts, "/etc/hosts"}, {paths.hostname, "/etc/hostname"}, {paths.resolv_conf, "/etc/resolv.conf"}};
    for (const auto& [source, target] : own) {
        const bool taken = std::any_of(view.mounts.begin(), view.mounts.end(),
                                       [name = target](const auto& mount) { return mount.target == name; });
        if (!taken) view.mounts.push_back({source, target, false, false, false});
    }
    return view;
}

// A container that ends just now is looked at without its process.
Task<ContainerFiles::Archive> ContainerFiles::open(std::shared_ptr<Container> container, std::vector<std::string> words,
                                                   storage::RootfsView view, bool output, ByteSource* body,
                                                   reactor::StopToken stop) {
    Archive opened(new Opened);
    opened->images = &images_;
    opened->work = view.work;
    opened->container = container;
    while (true) {
        storage::WorkerJob::Start how;
        how.worker_path = options_.worker_path;
        how.arguments = {words.front(), view.text()};
        how.arguments.insert(how.arguments.end(), words.begin() + 1, words.end());
        how.process_fd = view.running ? container->held.pidfd.get() : -1;
        how.output = output;
        CO_TRY(auto job, storage::WorkerJob::start(how));
        opened->job.emplace(std::move(job));
        if (body != nullptr) {
            CO_TRY_VOID(co_await opened->job->feed(body, stop));
        }
        opened->job->end_input();
        CO_TRY(opened->record, co_await opened->job->record(stop));
        auto said = storage::error_of(opened->record);
        if (said) co_return std::move(opened);
        const bool again = said.error().kind() == ErrorKind::conflict && view.running && body == nullptr;
        if (!again) co_return fail(std::move(said).error());
        view.running = false;
    }
}

Task<storage::PathStat> ContainerFiles::stat(std::string_view reference, std::string path, reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    const std::string named(reference);
    std::vector<std::string> words = {"stat", path};
    auto view = view_of(*container, false);
    auto opened = co_await open(container, std::move(words), std::move(view), false, nullptr, stop);
    if (!opened) co_return fail(told(std::move(opened).error(), path, named));
    CO_TRY_VOID(co_await (*opened)->job->finish());
    co_return storage::decode_stat((*opened)->record);
}

Task<ContainerFiles::Archive> ContainerFiles::pack(std::string_view reference, std::string path,
                                                   std::string_view action, reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    const std::string named(reference);
    const std::string event(action);
    std::vector<std::string> words = {"pack", path};
    auto view = view_of(*container, false);
    auto opened = co_await open(container, std::move(words), std::move(view), true, nullptr, stop);
    if (!opened) co_return fail(told(std::move(opened).error(), path, named));
    containers_.publish(*container, event);
    co_return std::move(*opened);
}

Task<ContainerFiles::Archive> ContainerFiles::export_all(std::string_view reference, reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    if (container->state.status == ContainerStatus::dead)
        co_return fail(ErrorKind::conflict, "You cannot export container " + container->id + " which is dead");
    if (container->removing)
        co_return fail(ErrorKind::conflict, "You cannot export container " + container->id + " which is being removed");
    std::vector<std::string> words = {"export"};
    auto view = view_of(*container, false);
    view.mounts.clear();
    CO_TRY(auto opened, co_await open(container, std::move(words), std::move(view), true, nullptr, stop));
    opened->event = "export";
    co_return std::move(opened);
}

Result<storage::PathStat> ContainerFiles::stat_of(const Opened& archive) {
    return storage::decode_stat(archive.record);
}

Task<void> ContainerFiles::stream(Opened* archive, ByteSink* sink, reactor::StopToken stop) {
    CO_TRY_VOID(co_await archive->job->stream_to(sink, stop));
    if (!archive->event.empty()) containers_.publish(*archive->container, archive->event);
    co_return Result<void>{};
}

// A container that does not run must not start while its layers are written to from outside.
Task<void> ContainerFiles::extract(std::string_view reference, ExtractRequest request, ByteSource* body,
                                   reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    const std::string named(reference);
    CO_TRY(auto held, co_await container->lane.enter(stop));
    if (container->running()) held.release();
    const std::string user = request.as_its_user ? container->spec.user : std::string();
    std::vector<std::string> words = {"extract", request.path, request.keep_types ? "1" : "0", user};
    auto view = view_of(*container, true);
    auto opened = co_await open(container, std::move(words), std::move(view), false, body, stop);
    if (!opened) co_return fail(told(std::move(opened).error(), request.path, named));
    CO_TRY_VOID(co_await (*opened)->job->finish());
    containers_.publish(*container, "extract-to-dir");
    co_return Result<void>{};
}

Task<std::string> ContainerFiles::changes(std::string_view reference, reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    std::string id = container->id;
    std::string image_id = container->image_id;
    auto found = co_await images_.changes(std::move(id), std::move(image_id), stop);
    co_return found;
}

// Paused only while its tree is copied.
Task<std::string> ContainerFiles::commit(std::string_view reference, CommitRequest request, reactor::StopToken stop) {
    CO_TRY(auto container, containers_.find(reference));
    if (container->state.status == ContainerStatus::dead)
        co_return fail(ErrorKind::conflict, "You cannot commit container " + container->id + " which is Dead");
    if (container->removing)
        co_return fail(ErrorKind::conflict,
                       "You cannot commit container " + container->id + " which is being removed");
    storage::ChildConfig child;
    child.container_id = container->id;
    child.container_config = container->spec.config_json;
    child.author = request.author;
    child.comment = request.comment;
    child.created_by = storage::command_text(container->spec.config_json);
    CO_TRY(child.config,
           storage::committed_config(request.config, request.changes, container->spec.config_json));
    std::string id = container->id;
    std::string image_id = container->image_id;
    const std::string_view whole_id = container->id;
    bool paused = false;
    if (request.pause && container->state.status == ContainerStatus::running) {
        auto done = co_await containers_.pause(whole_id);
        paused = done.has_value();  // it may just have ended
    }
    auto copied = co_await images_.begin_commit(std::move(id), std::move(image_id), stop);
    if (paused) {
        auto done = co_await containers_.unpause(whole_id);
        ignore_result(done, "a container that has ended meanwhile is not paused");
    }
    CO_TRY(auto pending, std::move(copied));
    CO_TRY(auto image, images_.end_commit(std::move(pending), std::move(child), request.reference));
    const auto named = storage::parse_reference(request.reference);
    containers_.publish(*container, "commit",
                        {{"comment", request.comment},
                         {"imageID", image},
                         {"imageRef", named ? named->familiar() : std::string()}});
    co_return image;
}

}  // namespace engine::runtime
