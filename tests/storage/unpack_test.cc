// Real archives made by tar, hostile ones made by hand, through the parser and the unpacker.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "engine/storage/archive_load.h"
#include "engine/storage/decompress.h"
#include "engine/storage/layer_unpack.h"
#include "engine/storage/tree.h"
#include "tests/support/scratch.h"

namespace engine::storage {
namespace {

class Unpack : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_FALSE(home.empty());
        ::umask(0);
        sh("mkdir in out");
    }
    void sh(const std::string& command) {
        ASSERT_EQ(std::system(("cd " + home + " && set -e && umask 022 && " + command).c_str()), 0) << command;
    }
    Result<UnpackedLayer> unpack(const std::string& file) {
        const UniqueFd fd(::open((home + "/" + file).c_str(), O_RDONLY));
        const UniqueFd root(::open((home + "/out").c_str(), O_RDONLY | O_DIRECTORY));
        FdSource source(fd.get());
        return unpack_layer(source, root.get());
    }
    struct stat at(const std::string& path) {
        struct stat out {};
        EXPECT_EQ(::lstat((home + "/out/" + path).c_str(), &out), 0) << path;
        return out;
    }
    test::Scratch scratch{"storage_test"};
    const std::string home = scratch.path();
};

// One entry with a right checksum.
std::string header(const std::string& name, char type, const std::string& link, size_t size) {
    std::string block(512, '\0');
    std::memcpy(block.data(), name.data(), name.size());
    std::snprintf(block.data() + 100, 8, "%07o", 0644);
    std::snprintf(block.data() + 108, 8, "%07o", 0);
    std::snprintf(block.data() + 116, 8, "%07o", 0);
    std::snprintf(block.data() + 124, 12, "%011zo", size);
    std::snprintf(block.data() + 136, 12, "%011o", 0);
    block[156] = type;
    std::memcpy(block.data() + 157, link.data(), link.size());
    std::memcpy(block.data() + 257, "ustar\00000", 8);
    std::memset(block.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(block.data() + 148, 8, "%06o", sum);
    return block;
}

TEST_F(Unpack, RoundTripsWhatTarWrites) {
    sh("cd in && mkdir -p d/e && echo hi > d/e/f && ln d/e/f hard && ln -s d/e/f soft && mkfifo p && chmod 4755 d/e/f "
       "&&"
       "mknod c c 1 3 && truncate -s 1M sparse && printf x | dd of=sparse bs=1 seek=500000 conv=notrunc status=none &&"
       "chown 70000:80000 hard && chmod 4755 hard && touch -d '2001-02-03 04:05:06.123456789' d/e/f d &&"
       "L=$(printf 'n%.0s' $(seq 120)) && mkdir $L && echo long > $L/$L && setfattr -n user.k -v v d/e/f 2>/dev/null "
       "|| true");
    for (const char* options :
         {"--format=gnu --sparse", "--format=pax --sparse --xattrs", "--format=pax --sparse --sparse-version=0.0",
          "--format=pax --sparse --sparse-version=0.1", "--format=pax --sparse -z", "--format=pax --zstd"}) {
        sh("rm -rf out && mkdir out && tar " + std::string(options) + " -C in -cf t.tar .");
        const auto done = unpack("t.tar");
        ASSERT_TRUE(done) << options << ": " << done.error().message();
        sh("diff -r --no-dereference in/d out/d && cmp in/sparse out/sparse");
        EXPECT_EQ(at("hard").st_ino, at("d/e/f").st_ino) << options;
        EXPECT_EQ(at("hard").st_uid, 70000u) << options;
        EXPECT_EQ(at("hard").st_mode & 07777, 04755u) << options;
        EXPECT_TRUE(S_ISCHR(at("c").st_mode));
        EXPECT_TRUE(S_ISFIFO(at("p").st_mode));
        EXPECT_EQ(at("d").st_mtim.tv_sec, at("d/e/f").st_mtim.tv_sec) << options;
        if (std::string_view(options).find("pax") != std::string_view::npos) {
            EXPECT_EQ(at("d").st_mtim.tv_nsec, 123456789) << options;
        }
        if (std::string_view(options).find("sparse") != std::string_view::npos) {
            EXPECT_LT(at("sparse").st_blocks, 1024) << options;
        }
    }
    sh("tar -C in -cf t.tar . && rm -rf out && mkdir out && sha256sum t.tar | cut -c1-64 > sum");
    const auto done = unpack("t.tar");
    ASSERT_TRUE(done);
    sh("test sha256:$(cat sum) = " + done->diff_id);
}

TEST_F(Unpack, WhiteoutsBecomeOverlaysOwn) {
    sh("cd in && mkdir d && touch d/.wh.gone d/.wh..wh..opq && tar -cf ../t.tar d");
    ASSERT_TRUE(unpack("t.tar"));
    EXPECT_TRUE(S_ISCHR(at("d/gone").st_mode));
    EXPECT_EQ(at("d/gone").st_rdev, 0u);
    char value = 0;
    EXPECT_EQ(::getxattr((home + "/out/d").c_str(), "trusted.overlay.opaque", &value, 1), 1);
    sh("mkdir tree && mkdir tree/d && touch tree/d/gone tree/d/hidden");
    const UniqueFd from(::open((home + "/out").c_str(), O_RDONLY));
    const UniqueFd into(::open((home + "/tree").c_str(), O_RDONLY));
    ASSERT_TRUE(apply_layer(from.get(), into.get()));
    sh("test -d tree/d && test -z \"$(ls tree/d)\"");
}

TEST_F(Unpack, HostileArchivesStayInside) {
    const auto attempt = [&](const std::string& bytes) {
        const UniqueFd fd(::open((home + "/bad.tar").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
        EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        return unpack("bad.tar");
    };
    const std::string end(1024, '\0');
    EXPECT_FALSE(attempt(header("../evil", '0', "", 0) + end));
    EXPECT_TRUE(attempt(header("/absolute", '0', "", 0) + end));
    EXPECT_TRUE(S_ISREG(at("absolute").st_mode));
    ignore_result(attempt(header("up", '2', "../../../../../../" + home, 0) + header("up/evil", '0', "", 0) + end), "");
    ignore_result(attempt(header("abs", '2', home, 0) + header("abs/evil", '0', "", 0) + end), "");
    EXPECT_FALSE(attempt(header("leak", '1', "../../../etc/passwd", 0) + end));
    EXPECT_NE(::access((home + "/evil").c_str(), F_OK), 0);
    EXPECT_FALSE(attempt(header("huge", '0', "", 077777777777) + "x"));
    EXPECT_FALSE(attempt(header("cut", '0', "", 600) + std::string(512, 'x')));
    EXPECT_FALSE(attempt(std::string(512, 'x')));
    EXPECT_FALSE(attempt(header(".wh...", '0', "", 0) + end));
}

TEST_F(Unpack, LoadsOldAndNewArchives) {
    sh("echo a > in/a && tar -C in -cf layer.tar . && mkdir -p img/L && cp layer.tar img/L/layer.tar &&"
       "D=$(sha256sum layer.tar | cut -c1-64) &&"
       "echo '{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:'$D'\",\"sha256:'$D'\"]}}' > img/c.json &&"
       "mkdir img/M && ln -s ../L/layer.tar img/M/layer.tar &&"
       "echo '[{\"Config\":\"c.json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"L/layer.tar\",\"M/layer.tar\"]}]' > "
       "img/manifest.json &&"
       "tar -C img -czf new.tar . && rm img/manifest.json img/c.json && echo '{\"old\":{\"t\":\"L\"}}' > "
       "img/repositories &&"
       "echo '{\"id\":\"L\"}' > img/L/json && tar -C img -cf old.tar .");
    for (const char* file : {"new.tar", "old.tar"}) {
        sh("rm -rf out && mkdir out");
        const UniqueFd fd(::open((home + "/" + file).c_str(), O_RDONLY));
        const UniqueFd root(::open((home + "/out").c_str(), O_RDONLY | O_DIRECTORY));
        FdSource source(fd.get());
        const auto images = load_archive(source, root.get());
        ASSERT_TRUE(images) << file << ": " << images.error().message();
        ASSERT_EQ(images->size(), 1u);
        const auto again = decode_images(encode_images(*images));
        ASSERT_TRUE(again);
        EXPECT_EQ(again->front().config, images->front().config);
        for (const auto& layer : images->front().layers) EXPECT_TRUE(S_ISREG(at(layer.folder + "/fs/a").st_mode));
        if (std::string_view(file) == "new.tar") {
            ASSERT_EQ(images->front().layers.size(), 2u);
            EXPECT_NE(images->front().layers[0].folder, images->front().layers[1].folder);
        }
    }
}

}  // namespace
}  // namespace engine::storage
