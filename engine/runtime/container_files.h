// A container's files from outside: docker cp both ways, export, diff, commit. Workers do all of it; see
// storage/rootfs_view.h for how they are kept inside.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/stop_token.h"

namespace engine::storage {
class ImageStore;
class WorkerJob;
struct PathStat;
struct RootfsView;
}  // namespace engine::storage

namespace engine::runtime {

class ContainerService;
struct Container;

struct ExtractRequest {
    std::string path;          // an existing folder of the container
    bool keep_types = false;   // noOverwriteDirNonDir
    bool as_its_user = false;  // copyUIDGID
};

struct CommitRequest {
    std::string config;  // of the request's body, "" for none
    std::vector<std::string> changes;
    std::string author, comment;
    std::string reference;  // "" leaves the image without a name
    bool pause = true;
};

class ContainerFiles {
public:
    struct Options {
        std::string data_root;
        std::string worker_path;  // the dockercd binary
    };
    ContainerFiles(Options options, ContainerService& containers, storage::ImageStore& images)
        : options_(std::move(options)), containers_(containers), images_(images) {}

    // A worker at its work in the container; what it made for itself goes with it.
    struct Opened;
    struct CloseOpened {
        void operator()(Opened* opened) const;
    };
    using Archive = std::unique_ptr<Opened, CloseOpened>;

    // `reference` is the container as the client named it.
    Task<storage::PathStat> stat(std::string_view reference, std::string path, reactor::StopToken stop);
    // An archive that is about to come, of a path or of everything; `action` is the event's.
    Task<Archive> pack(std::string_view reference, std::string path, std::string_view action, reactor::StopToken stop);
    Task<Archive> export_all(std::string_view reference, reactor::StopToken stop);
    static Result<storage::PathStat> stat_of(const Opened& archive);
    Task<void> stream(Opened* archive, ByteSink* sink, reactor::StopToken stop);
    Task<void> extract(std::string_view reference, ExtractRequest request, ByteSource* body, reactor::StopToken stop);
    // The API's list of changes, as JSON.
    Task<std::string> changes(std::string_view reference, reactor::StopToken stop);
    // The new image's id.
    Task<std::string> commit(std::string_view reference, CommitRequest request, reactor::StopToken stop);

private:
    storage::RootfsView view_of(const Container& container, bool writable);
    Task<Archive> open(std::shared_ptr<Container> container, std::vector<std::string> words, storage::RootfsView view,
                       bool output, ByteSource* body, reactor::StopToken stop);

    Options options_;
    ContainerService& containers_;
    storage::ImageStore& images_;
    unsigned views_ = 0;
};

}  // namespace engine::runtime
