#include "engine/storage/merged_folder.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <map>

#include "engine/reactor/try.h"
#include "engine/storage/tree_pack.h"

namespace engine::storage {
namespace {

bool is_whiteout(const struct stat& facts) {
    return S_ISCHR(facts.st_mode) && facts.st_rdev == 0;
}

bool has(int folder, const std::string& name) {
    struct stat facts {};
    return ::fstatat(folder, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0;
}

bool hides_below(int folder) {
    char mark = 'n';
    if (::fgetxattr(folder, "trusted.overlay.opaque", &mark, 1) == 1 && mark == 'y') return true;
    return has(folder, ".wh..wh..opq");
}

}  // namespace

MergedFolder::MergedFolder(std::vector<UniqueFd> roots) {
    for (auto& root : roots) folders_.push_back(std::make_shared<UniqueFd>(std::move(root)));
}

Result<std::optional<MergedFolder::Item>> MergedFolder::find(const char* name) const {
    for (const auto& folder : folders_) {
        Item item;
        item.folder = folder->get();
        if (::fstatat(item.folder, name, &item.facts, AT_SYMLINK_NOFOLLOW) == 0)
            return is_whiteout(item.facts) ? std::optional<Item>() : std::optional<Item>(item);
        if (errno != ENOENT) return fail_errno(errno, std::string("stat ") + name);
        if (has(item.folder, std::string(".wh.") + name)) break;
    }
    return std::optional<Item>();
}

Result<MergedFolder> MergedFolder::enter(const char* name) const {
    MergedFolder out;
    for (const auto& folder : folders_) {
        struct stat facts {};
        const bool there = ::fstatat(folder->get(), name, &facts, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno != ENOENT) return fail_errno(errno, std::string("stat ") + name);
        if (there && !S_ISDIR(facts.st_mode)) break;
        if (there) {
            UniqueFd fd(::openat(folder->get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!fd) return fail_errno(errno, std::string("open ") + name);
            const bool last = hides_below(fd.get());
            out.folders_.push_back(std::make_shared<UniqueFd>(std::move(fd)));
            if (last) break;
        }
        if (has(folder->get(), std::string(".wh.") + name)) break;
    }
    return out;
}

Result<std::vector<std::string>> MergedFolder::names() const {
    std::map<std::string, bool> seen;  // shown?
    for (const auto& folder : folders_) {
        std::vector<std::string> hidden;
        TRY(const auto names, sorted_names(folder->get()));
        for (const auto& name : names) {
            if (name.starts_with(".wh.")) {
                hidden.push_back(name.substr(4));
                continue;
            }
            struct stat facts {};
            if (seen.contains(name) || ::fstatat(folder->get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            seen[name] = !is_whiteout(facts);
        }
        for (auto& name : hidden) seen.try_emplace(std::move(name), false);
    }
    std::vector<std::string> out;
    for (const auto& [name, shown] : seen)
        if (shown) out.push_back(name);
    return out;
}

}  // namespace engine::storage
