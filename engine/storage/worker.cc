#include "engine/storage/worker.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <span>

#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/confine.h"
#include "engine/storage/compress.h"
#include "engine/storage/decompress.h"
#include "engine/storage/tar_split.h"
#include "engine/storage/tree.h"
#include "engine/storage/tree_remover.h"
#include "engine/storage/worker_verbs.h"

namespace engine::storage {
namespace {

Result<std::string> load(const char* folder) {
    TRY_VOID(confine_to(folder));
    const UniqueFd root(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno(errno, "open the layers' folder");
    FdSource input(0);
    TRY(const auto images, load_archive(input, root.get()));
    return encode_images(images);
}

Result<std::string> import(const char* folder) {
    TRY_VOID(confine_to(folder));
    if (::mkdirat(AT_FDCWD, "/0", 0755) != 0) return fail_errno(errno, "create layer folder");
    const UniqueFd root(::open("/0", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail_errno(errno, "open the layer's folder");
    FdSource input(0);
    TRY(const auto layer, unpack_layer_kept(input, root.get()));
    LoadedImage image;
    image.layers.push_back({"0", layer.diff_id, layer.size, layer.tar_bytes, layer.blob_digest, layer.blob_size});
    std::vector<LoadedImage> images;
    images.push_back(std::move(image));
    return encode_images(images);
}

Result<std::string> copy(const char* folder, std::span<char*> layers) {
    std::vector<UniqueFd> from;
    for (const char* layer : layers) {
        from.emplace_back(::open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!from.back()) return fail_errno(errno, std::string("open ") + layer);
    }
    TRY_VOID(confine_to(folder));
    const UniqueFd into(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!into) return fail_errno(errno, "open the tree");
    for (const auto& layer : from) {
        TRY_VOID(apply_layer(layer.get(), into.get()));
    }
    return encode_images({});
}

Result<std::string> size(const char* tree) {
    TRY(const int64_t bytes, tree_size_at(AT_FDCWD, tree));
    return encode_size(bytes);
}

Result<std::string> archive(const char* folder) {
    TRY_VOID(confine_to(folder));
    const UniqueFd layer(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!layer) return fail_errno(errno, "open the layer's folder");
    GzipSink sink(1);
    TRY_VOID(write_layer_tar(layer.get(), sink));
    TRY_VOID(sink.finish());
    return encode_images({});
}

void tell(std::string_view record) {
    while (!record.empty()) {
        const ssize_t put = ::write(worker_result_fd, record.data(), record.size());
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return;
        record.remove_prefix(static_cast<size_t>(put));
    }
}

Result<std::string> perform(std::string_view verb, std::span<char*> arguments) {
    if (verb == "load" && arguments.size() == 1) return load(arguments[0]);
    if (verb == "import" && arguments.size() == 1) return import(arguments[0]);
    if (verb == "copy" && !arguments.empty()) return copy(arguments[0], arguments.subspan(1));
    if (verb == "archive" && arguments.size() == 1) return archive(arguments[0]);
    if (verb == "size" && arguments.size() == 1) return size(arguments[0]);
    return fail(ErrorKind::internal, "unknown worker verb " + std::string(verb));
}

}  // namespace

int worker_main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    const sched_param lowest{0};
    ::sched_setscheduler(0, SCHED_BATCH, &lowest);  // long work: it does not push the engine off its core when it wakes
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // nobody is left to read the answer
    const std::span<char*> arguments(argv, static_cast<size_t>(argc));
    if (arguments.empty()) return 2;
    rlimit files{};  // hard links and deep trees hold descriptors
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    if (std::string_view(arguments[0]) == "remove") return serve_removals(worker_result_fd);
    if (const auto streamed = perform_streaming(arguments[0], arguments.subspan(1), [](std::string record) {
            tell(record + "\n");
        })) {
        if (!*streamed) tell(encode_error(streamed->error()) + "\n");
        return *streamed ? 0 : 1;
    }
    const auto done = perform(arguments[0], arguments.subspan(1));
    tell((done ? *done : encode_error(done.error())) + "\n");
    return done ? 0 : 1;
}

}  // namespace engine::storage
