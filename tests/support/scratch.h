// A directory of a test's own, on a filesystem that can hold an overlay's upper layer: where /tmp cannot (it lies on an
// overlay itself, as in many CI machines) a tmpfs is mounted on it. Gone with the object.
#pragma once

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace engine::test {

class Scratch {
public:
    explicit Scratch(const std::string& purpose) {
        std::string name = "/tmp/" + purpose + ".XXXXXX";
        if (!mkdtemp(name.data())) return;
        path_ = name;
        struct statfs facts {};
        if (statfs(name.c_str(), &facts) == 0 && facts.f_type == OVERLAYFS_SUPER_MAGIC)
            mounted_ = mount("tmpfs", name.c_str(), "tmpfs", 0, "mode=0700") == 0;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        if (path_.empty()) return;
        if (mounted_) umount2(path_.c_str(), MNT_DETACH);
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    // Empty when it could not be made.
    const std::string& path() const { return path_; }

private:
    std::string path_;
    bool mounted_ = false;
};

}  // namespace engine::test
