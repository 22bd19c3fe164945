// What tar wrote is what a container sees, through the confined worker and either backend, on disk and in memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "engine/storage/digest.h"
#include "tests/storage/archive_builder.h"

namespace engine::storage {
namespace {

using namespace testing;
namespace fs = std::filesystem;

std::string xattrs_of(const std::string& path) {
    char names[4096];
    const ssize_t size = ::llistxattr(path.c_str(), names, sizeof names);
    std::map<std::string, std::string> all;
    for (const char* name = names; name < names + std::max<ssize_t>(size, 0); name += std::strlen(name) + 1) {
        char value[512];
        const ssize_t length = ::lgetxattr(path.c_str(), name, value, sizeof value);
        if (std::string_view(name).starts_with("trusted.overlay.") || length < 0) continue;
        all[name] = to_hex({reinterpret_cast<const uint8_t*>(value), static_cast<size_t>(length)});
    }
    std::string out;
    for (const auto& [name, value] : all) out += " " + name + "=" + value;
    return out;
}

// One line for everything below root; hard links are told by the first path of each file.
std::string described(const std::string& root, bool folder_times = true) {
    std::vector<std::string> paths = {""};
    for (const auto& item : fs::recursive_directory_iterator(root))
        paths.push_back(item.path().string().substr(root.size()));
    std::sort(paths.begin(), paths.end());
    std::map<ino_t, std::string> firsts;
    std::string out;
    for (const auto& path : paths) {
        struct stat there {};
        if (::lstat((root + path).c_str(), &there) != 0) return "cannot stat " + path;
        char line[256];
        std::snprintf(line, sizeof line, " %o %u:%u", there.st_mode, there.st_uid, there.st_gid);
        out += path + line;
        if (!S_ISDIR(there.st_mode) || folder_times)
            out += " " + std::to_string(there.st_mtim.tv_sec) + "." + std::to_string(there.st_mtim.tv_nsec);
        if (S_ISCHR(there.st_mode) || S_ISBLK(there.st_mode)) out += " dev " + std::to_string(there.st_rdev);
        if (S_ISLNK(there.st_mode)) out += " -> " + fs::read_symlink(root + path).string();
        if (S_ISREG(there.st_mode)) {
            std::ifstream in(root + path);
            const std::string text{std::istreambuf_iterator<char>(in), {}};
            out += " " + sha256_of(text).substr(0, 20) + " " + std::to_string(text.size());
        }
        if (!S_ISDIR(there.st_mode)) out += " same as " + firsts.emplace(there.st_ino, path).first->second;
        out += xattrs_of(root + path) + "\n";
    }
    return out;
}

class Fidelity : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        home = std::string(GetParam()) + "/fidelity-test-XXXXXX";
        if (::mkdtemp(home.data()) == nullptr) GTEST_SKIP() << GetParam() << " is not there";
        sh("mkdir in want");
        // In a root that is an overlay itself only the memory file system can be an upper layer.
        const int mounted = std::system(("cd " + home +
                                         " && mkdir -p try/l try/u try/w try/m && mount -t overlay -o "
                                         "lowerdir=try/l,upperdir=try/u,workdir=try/w overlay try/m 2>try/why && "
                                         "umount try/m")
                                            .c_str());
        if (mounted != 0) GTEST_SKIP() << GetParam() << " cannot hold the upper layer of an overlay";
    }
    void TearDown() override { ASSERT_EQ(std::system(("rm -rf " + home).c_str()), 0); }
    void sh(const std::string& command) {
        ASSERT_EQ(std::system(("cd " + home + " && set -e && umask 022 && " + command).c_str()), 0) << command;
    }
    void import(const std::string& tar, const std::string& layer) {
        sh("mkdir " + layer + " && " STORAGE_WORKER " worker import $PWD/" + layer + " < " + tar +
           " 3>answer || (cat answer; false)");
    }
    // What a container of these layers sees, bottom first, with each backend.
    void expect_seen(const std::vector<std::string>& layers, const std::string& expected, bool folder_times) {
        std::string lower;
        std::string copied;
        for (const auto& layer : layers) {
            lower = layer + "/0/fs" + (lower.empty() ? "" : ":" + lower);
            copied += " $PWD/" + layer + "/0/fs";
        }
        sh("rm -rf c && mkdir -p u w m c && " STORAGE_WORKER " worker copy $PWD/c" + copied +
           " 3>answer || (cat answer; false)");
        EXPECT_EQ(described(home + "/c", folder_times), expected) << "copy backend";
        sh("mount -t overlay -o lowerdir=" + lower + ",upperdir=u,workdir=w overlay m");
        const std::string seen = described(home + "/m", folder_times);
        sh("umount m");
        std::string own = seen;  // the upper folder's own attributes are the root's: the engine copies them
        own.replace(0, own.find('\n'), expected.substr(0, expected.find('\n')));
        EXPECT_EQ(own, expected) << "overlay backend";
    }
    std::string home;
};

TEST_P(Fidelity, OneLayerIsWhatTarWrote) {
    sh("cd in && mkdir -p d/e ro && echo hi > d/e/f && ln d/e/f hard && ln -s ../nowhere d/soft && mkfifo -m 640 p &&"
       "mknod -m 666 c c 1 3 && mknod -m 600 b b 259 70000 && chown 70000:80000 d/e/f && chmod 4755 d/e/f && chown -h "
       "65537:4294967 d/soft &&"
       "chmod 2770 d/e && echo in > ro/child && chmod 555 ro && mkdir -m 1777 sticky && : > empty &&"
       "truncate -s 4M sparse && printf end | dd of=sparse bs=1 seek=4000000 conv=notrunc status=none &&"
       "L=$(printf 'n%.0s' $(seq 200)) && mkdir -p $L/$L && echo long > $L/$L/$L && ln -s $L/$L/$L longlink && ln "
       "$L/$L/$L longhard &&"
       "touch -h -d '2001-02-03 04:05:06.123456789' d/soft d/e/f && touch -d '1969-12-31 23:59:58.5' empty &&"
       "touch -d '2010-01-01 00:00:00.000000001' ro d/e d . && printf 'odd\\nname' > \"$(printf 'new\\nline "
       "\\303\\274')\"");
    const std::string file = home + "/in/d/e/f";
    const unsigned char capability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    ASSERT_EQ(::setxattr(file.c_str(), "security.capability", capability, sizeof capability, 0), 0);
    const bool user = ::setxattr(file.c_str(), "user.some", "value", 5, 0) == 0 &&
                      ::setxattr((home + "/in/ro").c_str(), "user.of", "folder", 6, 0) == 0;
    const std::string expected = described(home + "/in");
    EXPECT_NE(expected.find("security.capability"), std::string::npos);
    EXPECT_EQ(expected.find("user.some") != std::string::npos, user);
    sh("tar --format=pax --xattrs --xattrs-include='*' --sparse -C in -cf one.tar .");
    import("one.tar", "one");
    EXPECT_EQ(described(home + "/one/0/fs"), expected);
    struct stat sparse {};
    ASSERT_EQ(::stat((home + "/one/0/fs/sparse").c_str(), &sparse), 0);
    EXPECT_LT(sparse.st_blocks * 512, 1 << 20);
    expect_seen({"one"}, expected, true);
    ASSERT_EQ(::stat((home + "/c/sparse").c_str(), &sparse), 0);
    EXPECT_LT(sparse.st_blocks * 512, 1 << 20);
}

TEST_P(Fidelity, GnuTarsToo) {
    sh("cd in && L=$(printf 'n%.0s' $(seq 200)) && mkdir -p $L/$L && echo long > $L/$L/$L && ln -s $L/$L longlink &&"
       "truncate -s 9M sparse && for i in $(seq 30); do printf x | dd of=sparse bs=1 seek=$((i*270000)) conv=notrunc "
       "status=none; done &&"
       "chown 3000000:3000000 sparse && find . -exec touch -h -d '2001-02-03 04:05:06' {} +");
    const std::string expected = described(home + "/in");
    for (const char* options :
         {"--format=gnu --sparse", "--format=pax --sparse --sparse-version=0.0",
          "--format=pax --sparse --sparse-version=0.1", "--format=gnu -z", "--format=oldgnu --zstd"}) {
        sh("rm -rf one && tar " + std::string(options) + " -C in -cf one.tar .");
        import("one.tar", "one");
        EXPECT_EQ(described(home + "/one/0/fs"), expected) << options;
    }
}

TEST_P(Fidelity, WhiteoutsMeanTheSameToBoth) {
    sh("cd in && mkdir -p keep gone opaque/deep again refill && touch keep/a keep/b gone/x opaque/old opaque/deep/old "
       "again/old "
       "refill/old file relinked && find . -exec touch -d @1000000000 {} +");
    sh("tar -C in -cf one.tar .");
    import("one.tar", "one");
    Tar top;
    top.file("keep/.wh.b", "").file(".wh.gone", "").file("opaque/new", "n").file("opaque/.wh..wh..opq", "");
    top.file(".wh.again", "")
        .folder("again")
        .file("again/new", "n");  // a folder over its whiteout hides what was below
    top.folder("refill").file("refill/new", "n").file(".wh.refill", "");  // in the other order, too
    top.file(".wh.file", "").file("file", "anew");
    top.file("target", "t").file(".wh.relinked", "").link("relinked", '1', "target");
    top.file(".wh..wh.plnk", "").file("keep/.wh.never-there", "");
    std::ofstream(home + "/two.tar") << top.end();
    import("two.tar", "two");
    sh("cp -a in/. want && cd want && rm -r keep/b gone opaque again refill file relinked && mkdir opaque again refill "
       "&&"
       "for f in opaque/new again/new refill/new; do printf n > $f; touch -d @0 $f; done && printf anew > file &&"
       "printf t > target && ln target relinked && touch -d @0 file target && touch -d @1000000000 keep/a");
    expect_seen({"one", "two"}, described(home + "/want", false), false);
}

INSTANTIATE_TEST_SUITE_P(Filesystems, Fidelity, ::testing::Values("/tmp", "/dev/shm"),
                         [](const auto& name) { return std::string(name.index == 0 ? "Disk" : "Memory"); });

}  // namespace
}  // namespace engine::storage
