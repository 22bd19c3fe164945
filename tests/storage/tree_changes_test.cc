#include "engine/storage/tree_changes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>

#include "engine/storage/tree.h"
#include "tests/support/scratch.h"

namespace engine::storage {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    const timespec times[2] = {{1000, 0}, {1000, 0}};
    ::utimensat(AT_FDCWD, path.c_str(), times, 0);
}

UniqueFd folder(const fs::path& path) {
    fs::create_directories(path);
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

MergedFolder stack(const std::vector<fs::path>& layers) {
    std::vector<UniqueFd> fds;
    for (const auto& layer : layers) fds.push_back(folder(layer));
    return MergedFolder(std::move(fds));
}

std::string text(const fs::path& tree, const MergedFolder& below, TreeKind kind) {
    const UniqueFd fd = folder(tree);
    const auto found = changes_of(fd.get(), below, kind);
    EXPECT_TRUE(found) << found.error().message();
    std::string out;
    for (const auto& change : *found)
        out += std::string(out.empty() ? "" : " ") + "CAD"[static_cast<int>(change.kind)] + change.path;
    return out;
}

class Changes : public ::testing::Test {
protected:
    void SetUp() override {
        bottom = scratch.path() + "/bottom";
        top = scratch.path() + "/top";
        put(bottom / "etc/kept", "1");
        put(bottom / "etc/edited", "1");
        put(bottom / "etc/removed", "1");
        put(bottom / "gone/a", "1");
        put(top / "usr/tool", "1");
    }
    test::Scratch scratch{"tree-changes"};
    fs::path bottom, top;
};

TEST_F(Changes, OfAWholeTree) {
    const fs::path tree = scratch.path() + "/tree";
    const UniqueFd into = folder(tree);
    for (const auto& layer : {bottom, top}) {
        const UniqueFd from = folder(layer);
        ASSERT_TRUE(apply_layer(from.get(), into.get()));
    }
    EXPECT_EQ(text(tree, stack({top, bottom}), TreeKind::whole), "");
    put(tree / "etc/edited", "22");
    fs::remove(tree / "etc/removed");
    fs::remove_all(tree / "gone");
    put(tree / "new/deep/file", "1");
    fs::remove(tree / "usr/tool");
    fs::create_directory(tree / "usr/tool");
    EXPECT_EQ(text(tree, stack({top, bottom}), TreeKind::whole),
              "C/etc C/etc/edited D/etc/removed D/gone A/new A/new/deep A/new/deep/file C/usr C/usr/tool");
}

TEST_F(Changes, AWholeTreeMadeALayerGivesTheTreeAgain) {
    const fs::path tree = scratch.path() + "/tree";
    const UniqueFd into = folder(tree);
    for (const auto& layer : {bottom, top}) {
        const UniqueFd from = folder(layer);
        ASSERT_TRUE(apply_layer(from.get(), into.get()));
    }
    const UniqueFd none = folder(scratch.path() + "/none");
    const auto nothing = make_layer(into.get(), stack({top, bottom}), TreeKind::whole, none.get());
    ASSERT_TRUE(nothing) << nothing.error().message();
    EXPECT_FALSE(*nothing);
    EXPECT_TRUE(fs::is_empty(scratch.path() + "/none"));
    put(tree / "etc/edited", "22");
    fs::remove(tree / "etc/removed");
    fs::remove_all(tree / "gone");
    put(tree / "new/deep/file", "1");
    const fs::path layer = scratch.path() + "/layer";
    const UniqueFd made = folder(layer);
    const auto some = make_layer(into.get(), stack({top, bottom}), TreeKind::whole, made.get());
    ASSERT_TRUE(some) << some.error().message();
    EXPECT_TRUE(*some);
    EXPECT_FALSE(fs::exists(layer / "etc/kept"));
    EXPECT_FALSE(fs::exists(layer / "usr"));
    EXPECT_EQ(text(tree, stack({layer, top, bottom}), TreeKind::whole), "");
}

TEST_F(Changes, OfAnOverlaysUpper) {
    const fs::path upper = scratch.path() + "/upper";
    fs::create_directories(upper / "etc");
    if (::mknod((upper / "etc/removed").c_str(), S_IFCHR, 0) != 0) GTEST_SKIP() << "no whiteouts here";
    put(upper / "etc/kept", "1");  // copied up, not changed
    put(upper / "etc/edited", "22");
    put(upper / "gone/b", "1");  // removed and made anew
    if (::setxattr((upper / "gone").c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0) GTEST_SKIP() << "no marks here";
    ::mknod((upper / "never").c_str(), S_IFCHR, 0);  // of a file that came and went
    EXPECT_EQ(text(upper, stack({top, bottom}), TreeKind::upper),
              "C/etc C/etc/edited D/etc/removed C/gone D/gone/a A/gone/b");
}

TEST_F(Changes, AttributesOfAFolderCountItsTimesDoNot) {
    const fs::path upper = scratch.path() + "/upper";
    fs::create_directories(upper / "etc");
    EXPECT_EQ(text(upper, stack({bottom}), TreeKind::upper), "");
    ::chmod((upper / "etc").c_str(), 0700);
    EXPECT_EQ(text(upper, stack({bottom}), TreeKind::upper), "C/etc");
}

}  // namespace
}  // namespace engine::storage
