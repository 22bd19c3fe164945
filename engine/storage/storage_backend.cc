#include "engine/storage/storage_backend.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "engine/reactor/try.h"

namespace engine::storage {
namespace {

Result<void> make_folder(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + path);
    return {};
}

std::string layer_fs(const std::string& data_root, int64_t number) {
    return data_root + "/layers/" + std::to_string(number) + "/fs";
}

Result<std::string> set_aside(const std::string& data_root, std::string_view container_id) {
    const std::string from = data_root + "/containers/" + std::string(container_id);
    const std::string to = data_root + "/tmp/container-" + std::string(container_id);
    if (::rename(from.c_str(), to.c_str()) == 0) return to;
    if (errno == ENOENT) return std::string();
    return fail_errno(errno, "remove " + from);
}

std::string init_folder(const std::string& data_root, const std::vector<ChainLink>& chain) {
    return data_root + "/layers/" + std::to_string(chain.empty() ? 0 : chain.back().number) + "/init";
}

std::string container_home(const std::string& data_root, std::string_view container_id) {
    return data_root + "/containers/" + std::string(container_id);
}

bool exists(const std::string& path) {
    struct stat there {};
    return ::lstat(path.c_str(), &there) == 0;
}

RootfsPlan directory_plan(const std::string& home) {
    RootfsPlan plan;
    plan.kind = RootfsPlan::Kind::directory;
    plan.directory = home + "/rootfs";
    return plan;
}

class OverlayBackend : public StorageBackend {
public:
    explicit OverlayBackend(std::string data_root) : data_root_(std::move(data_root)) {}
    std::string_view name() const override { return "overlay2"; }
    Result<RootfsPlan> prepare(std::string_view container_id, const std::vector<ChainLink>& chain) override {
        RootfsPlan plan = this->plan(container_id, chain);
        if (plan.kind == RootfsPlan::Kind::directory) return plan;
        TRY_VOID(make_folder(container_home(data_root_, container_id), 0710));
        TRY_VOID(make_folder(plan.upper, 0755));
        TRY_VOID(make_folder(plan.work, 0700));
        // The upper folder is what the container sees as the attributes of /.
        struct stat top {};
        for (auto link = chain.rbegin(); link != chain.rend() && top.st_mode == 0; ++link)
            if (::stat(layer_fs(data_root_, link->number).c_str(), &top) != 0) top.st_mode = 0;
        if (top.st_mode != 0 && (::chown(plan.upper.c_str(), top.st_uid, top.st_gid) != 0 ||
                                 ::chmod(plan.upper.c_str(), top.st_mode & 07777) != 0))
            return fail_errno(errno, "set the attributes of " + plan.upper);
        return plan;
    }
    RootfsPlan plan(std::string_view container_id, const std::vector<ChainLink>& chain) const override {
        const std::string home = container_home(data_root_, container_id);
        if (exists(home + "/rootfs")) return directory_plan(home);  // made when this data root was copied
        RootfsPlan plan;
        plan.upper = home + "/upper";
        plan.work = home + "/work";
        plan.lowers.push_back(init_folder(data_root_, chain));
        for (auto link = chain.rbegin(); link != chain.rend(); ++link)
            plan.lowers.push_back(layer_fs(data_root_, link->number));
        return plan;
    }
    std::vector<std::string> copy_arguments(std::string_view, const std::vector<ChainLink>&) override { return {}; }
    Result<std::string> remove(std::string_view container_id) override { return set_aside(data_root_, container_id); }

private:
    std::string data_root_;
};

// The copy is made beside the place it is used from and renamed when it is whole: a rootfs that is there is never
// copied over.
class CopyBackend : public StorageBackend {
public:
    explicit CopyBackend(std::string data_root) : data_root_(std::move(data_root)) {}
    std::string_view name() const override { return "vfs"; }
    Result<RootfsPlan> prepare(std::string_view container_id, const std::vector<ChainLink>&) override {
        const std::string home = container_home(data_root_, container_id);
        if (exists(home + "/upper"))
            return fail(ErrorKind::invalid,
                        "the container was made with the storage driver overlay2, this engine uses vfs");
        TRY_VOID(make_folder(home, 0710));
        return directory_plan(home);
    }
    RootfsPlan plan(std::string_view container_id, const std::vector<ChainLink>&) const override {
        return directory_plan(container_home(data_root_, container_id));
    }
    std::vector<std::string> copy_arguments(std::string_view container_id,
                                            const std::vector<ChainLink>& chain) override {
        const std::string home = container_home(data_root_, container_id);
        const std::string half = home + "/rootfs.half";
        if (exists(home + "/rootfs") || !make_folder(half, 0755)) return {};
        std::vector<std::string> out = {"copy", half};
        for (const auto& link : chain) out.push_back(layer_fs(data_root_, link.number));
        out.push_back(init_folder(data_root_, chain));
        return out;
    }
    Result<void> copied(std::string_view container_id) override {
        const std::string home = container_home(data_root_, container_id);
        if (::rename((home + "/rootfs.half").c_str(), (home + "/rootfs").c_str()) != 0)
            return fail_errno(errno, "keep the copy for " + home);
        return {};
    }
    Result<std::string> remove(std::string_view container_id) override { return set_aside(data_root_, container_id); }

private:
    std::string data_root_;
};

// The topmost layer that says something about the path; nothing there: false.
bool merged_stat(const std::string& data_root, const std::vector<ChainLink>& chain, const char* path,
                 struct stat& out) {
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
        const std::string full = layer_fs(data_root, link->number) + "/" + path;
        if (::lstat(full.c_str(), &out) == 0) return !(S_ISCHR(out.st_mode) && out.st_rdev == 0);
        const size_t name = full.rfind('/') + 1;
        if (exists(full.substr(0, name) + ".wh." + full.substr(name))) return false;
    }
    return false;
}

}  // namespace

std::unique_ptr<StorageBackend> make_overlay_backend(std::string data_root) {
    return std::make_unique<OverlayBackend>(std::move(data_root));
}
std::unique_ptr<StorageBackend> make_copy_backend(std::string data_root) {
    return std::make_unique<CopyBackend>(std::move(data_root));
}

Result<void> make_init_layer(const std::string& data_root, const std::vector<ChainLink>& chain) {
    const std::string home = init_folder(data_root, chain);
    const std::string half = data_root + "/tmp/init-" + std::to_string(chain.empty() ? 0 : chain.back().number);
    struct stat there {};
    if (::stat(home.c_str(), &there) == 0) return {};
    TRY_VOID(make_folder(home.substr(0, home.rfind('/')), 0700));
    TRY_VOID(make_folder(half, 0755));
    const auto folder = [&](const char* path, mode_t mode) -> Result<void> {
        struct stat image {};
        const std::string full = half + "/" + path;
        const bool known = merged_stat(data_root, chain, path, image);
        if (known && !S_ISDIR(image.st_mode)) return {};  // the image's own (a symlink): left alone
        TRY_VOID(make_folder(full, mode));
        if (::chown(full.c_str(), known ? image.st_uid : 0, known ? image.st_gid : 0) != 0 ||
            ::chmod(full.c_str(), known ? image.st_mode & 07777 : mode) != 0)
            return fail_errno(errno, "set the attributes of " + full);
        return {};
    };
    const auto file = [&](const char* path, mode_t mode) -> Result<void> {
        struct stat image {};
        const std::string full = half + "/" + path;
        if (merged_stat(data_root, chain, path, image)) return {};
        const UniqueFd fd(::open(full.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode));
        if (!fd && errno != ENOENT && errno != ENOTDIR) return fail_errno(errno, "create " + full);
        if (fd && ::fchmod(fd.get(), mode) != 0) return fail_errno(errno, "chmod " + full);
        return {};
    };
    for (const char* path : {"dev", "proc", "sys", "etc"}) {
        TRY_VOID(folder(path, 0755));
    }
    struct stat image {};
    if (!merged_stat(data_root, chain, "dev", image) || S_ISDIR(image.st_mode)) {
        TRY_VOID(folder("dev/pts", 0755));
        TRY_VOID(folder("dev/shm", 0755));
        TRY_VOID(file("dev/console", 0755));
    }
    for (const char* path : {"etc/hosts", "etc/hostname", "etc/resolv.conf"}) {
        TRY_VOID(file(path, 0644));
    }
    TRY_VOID(file(".dockerenv", 0755));
    if (!merged_stat(data_root, chain, "etc/mtab", image) &&
        ::symlink("/proc/mounts", (half + "/etc/mtab").c_str()) != 0 && errno != EEXIST && errno != ENOENT)
        return fail_errno(errno, "create /etc/mtab");
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
        if (::stat(layer_fs(data_root, link->number).c_str(), &image) != 0) continue;
        if (::chown(half.c_str(), image.st_uid, image.st_gid) != 0 || ::chmod(half.c_str(), image.st_mode & 07777) != 0)
            return fail_errno(errno, "set the attributes of " + half);
        break;
    }
    if (::rename(half.c_str(), home.c_str()) != 0) return fail_errno(errno, "rename " + half);
    return {};
}

}  // namespace engine::storage
