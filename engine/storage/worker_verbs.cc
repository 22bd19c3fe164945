#include "engine/storage/worker_verbs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/archive_save.h"
#include "engine/storage/confine.h"
#include "engine/storage/container_archive.h"
#include "engine/storage/decompress.h"
#include "engine/storage/layer_record.h"
#include "engine/storage/tree.h"
#include "engine/storage/tree_changes.h"
#include "engine/storage/tree_pack.h"

namespace engine::storage {
namespace {

using Answer = std::function<void(std::string)>;
using Words = std::span<char*>;

Result<UniqueFd> open_folder(const char* path) {
    UniqueFd fd(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, std::string("open ") + path);
    return fd;
}

// A container's tree and what it stands on, opened before the worker is locked in.
struct Trees {
    UniqueFd tree;
    MergedFolder below;
    TreeKind kind = TreeKind::upper;
};

Result<Trees> open_trees(Words words) {
    Trees out;
    out.kind = std::string_view(words[0]) == "whole" ? TreeKind::whole : TreeKind::upper;
    TRY(out.tree, open_folder(words[1]));
    std::vector<UniqueFd> layers;
    for (const char* layer : words.subspan(2)) {
        TRY(UniqueFd fd, open_folder(layer));
        layers.push_back(std::move(fd));
    }
    out.below = MergedFolder(std::move(layers));
    return out;
}

Result<void> changes(Words words, const Answer& answer) {
    TRY(const Trees trees, open_trees(words));
    TRY_VOID(confine_to(words[1]));
    TRY(const auto found, changes_of(trees.tree.get(), trees.below, trees.kind));
    json::Writer w;
    w.begin_object().key("changes");
    if (found.empty()) {
        w.null();
    } else {
        w.begin_array();
        for (const auto& change : found)
            w.begin_object().field("Path", change.path).field("Kind", static_cast<int>(change.kind)).end_object();
        w.end_array();
    }
    answer(w.end_object().take());
    return {};
}

// A copy of everything: its own are the bytes of the files that differ.
Result<void> changed(Words words, const Answer& answer) {
    TRY(const Trees trees, open_trees(words));
    TRY_VOID(confine_to(words[1]));
    TRY(const auto found, changes_of(trees.tree.get(), trees.below, trees.kind));
    int64_t bytes = 0;
    for (const auto& change : found) {
        struct stat facts {};
        const bool there = ::fstatat(trees.tree.get(), change.path.c_str() + 1, &facts, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && S_ISREG(facts.st_mode)) bytes += facts.st_size;
    }
    answer(encode_size(bytes));
    return {};
}

// The copy is what is hashed: the container may go on.
Result<void> commit(Words words, const Answer& answer) {
    TRY(const Trees trees, open_trees(words.subspan(1)));
    TRY_VOID(confine_to(words[0]));
    for (const char* path : {"/0", "/0/fs"})
        if (::mkdirat(AT_FDCWD, path, 0755) != 0) return fail_errno(errno, "create layer folder");
    TRY(const UniqueFd layer, open_folder("/0"));
    TRY(const UniqueFd into, open_folder("/0/fs"));
    TRY(const bool made, make_layer(trees.tree.get(), trees.below, trees.kind, into.get()));
    LoadedImage image;
    if (made) {
        TRY(const auto split, TarSplitWriter::create(layer.get()));
        RecordingSink recording(*split);
        TRY_VOID(pack_layer(into.get(), recording));
        TRY_VOID(split->finish());
        LoadedLayer own;
        own.folder = "0";
        own.diff_id = recording.finish();
        own.tar_bytes = static_cast<int64_t>(recording.bytes());
        TRY(own.size, tree_size_at(AT_FDCWD, "/0/fs"));
        image.layers.push_back(std::move(own));
    }
    std::vector<LoadedImage> images;
    images.push_back(std::move(image));
    answer(encode_images(images));
    return {};
}

Result<void> stat(Words words, const Answer& answer) {
    TRY(const auto view, RootfsView::parse(words[0]));
    TRY(const UniqueFd root, enter_view(view));
    TRY(const auto facts, stat_path(root.get(), words[1]));
    answer(encode_stat(facts));
    return {};
}

Result<void> pack(Words words, const Answer& answer) {
    TRY(const auto view, RootfsView::parse(words[0]));
    TRY(const UniqueFd root, enter_view(view));
    TRY(const auto facts, stat_path(root.get(), words[1]));
    answer(encode_stat(facts));
    FdSink sink(1);
    TRY_VOID(pack_path(root.get(), words[1], sink));
    return sink.flush();
}

Result<void> extract(Words words, const Answer& answer) {
    TRY(const auto view, RootfsView::parse(words[0]));
    TRY(const UniqueFd root, enter_view(view));
    FdSource input(0);
    ExtractOptions options;
    options.keep_types = std::string_view(words[2]) == "1";
    options.user = words[3];
    TRY_VOID(extract_to(root.get(), view, words[1], input, options));
    answer("{}");
    return {};
}

Result<void> export_all(Words words, const Answer& answer) {
    TRY(const auto view, RootfsView::parse(words[0]));
    TRY(const UniqueFd root, enter_view(view));
    answer("{}");
    FdSink sink(1);
    TarWriter tar(sink);
    TRY_VOID(TreePacker(tar, Marks::as_they_are).below(root.get(), ""));
    TRY_VOID(tar.finish());
    return sink.flush();
}

Result<void> save(Words words, const Answer& answer) {
    TRY_VOID(confine_to(words[0]));
    TRY(const UniqueFd layers, open_folder("/"));
    std::string text;
    std::string piece(64 << 10, '\0');
    FdSource input(0);
    while (true) {
        TRY(const size_t got, input.read(piece));
        if (got == 0) break;
        text.append(piece, 0, got);
    }
    TRY(auto plan, decode_plan(text));
    ArchiveSaver saver(std::move(plan), layers.get());
    TRY_VOID(saver.measure());
    json::Writer w;
    answer(w.begin_object().field("changed", saver.changed()).end_object().take());
    FdSink sink(1);
    TRY_VOID(saver.write(sink));
    return sink.flush();
}

struct Verb {
    std::string_view name;
    size_t words_min;
    Result<void> (*run)(Words, const Answer&);
};
constexpr Verb verbs[] = {
    {"changes", 2, changes}, {"changed", 2, changed}, {"commit", 3, commit},     {"stat", 2, stat},
    {"pack", 2, pack},       {"extract", 4, extract}, {"export", 1, export_all}, {"save", 1, save},
};

}  // namespace

std::optional<Result<void>> perform_streaming(std::string_view verb, std::span<char*> arguments,
                                              const std::function<void(std::string)>& answer) {
    for (const auto& one : verbs)
        if (one.name == verb && arguments.size() >= one.words_min) return one.run(arguments, answer);
    return std::nullopt;
}

}  // namespace engine::storage
