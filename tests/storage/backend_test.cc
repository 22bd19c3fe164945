// What the backends say they can do, and that they do it: overlay is really mounted in a namespace of its own.
#include "engine/storage/storage_backend.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace engine::storage {
namespace {

class Backend : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        home = std::string(GetParam()) + "/backend-test-XXXXXX";
        if (::mkdtemp(home.data()) == nullptr) GTEST_SKIP() << GetParam() << " is not there";
    }
    void TearDown() override { ASSERT_EQ(sh("rm -rf " + home), 0); }
    static int sh(const std::string& command) { return std::system(command.c_str()); }
    std::string mounts() {
        std::ifstream in("/proc/self/mountinfo");
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::string home;
};

// A data root nobody has used yet: nothing in it, not even tmp.
TEST_P(Backend, OverlayIsTriedInAnEmptyDataRoot) {
    const std::string before = mounts();
    const bool mount_says = sh("cd " + home +
                               " && mkdir l u w m && unshare -m mount -t overlay -o lowerdir=l,upperdir=u,"
                               "workdir=w overlay m 2>/dev/null; r=$?; rm -rf l u w m; exit $r") == 0;
    const auto works = check_overlay(home);
    EXPECT_EQ(works.has_value(), mount_says) << (works ? "works" : works.error().message());
    EXPECT_EQ(mounts(), before);
    EXPECT_EQ(sh("test -z \"$(ls " + home + "/tmp)\""), 0);
}

TEST_P(Backend, OverlayOnOverlayIsRefused) {
    if (!check_overlay(home)) GTEST_SKIP() << "no overlay here";
    const std::string inside = home + "/m";
    ASSERT_EQ(sh("cd " + home + " && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m"),
              0);
    const auto works = check_overlay(inside);
    EXPECT_EQ(sh("umount " + inside), 0);
    EXPECT_FALSE(works);
}

// A container made before keeps what it wrote, whichever driver the engine is started with.
TEST_P(Backend, ACopyIsMadeOnce) {
    ASSERT_EQ(sh("mkdir -p " + home + "/containers " + home + "/layers " + home + "/tmp"), 0);
    const auto copy = make_copy_backend(home);
    ASSERT_TRUE(copy->prepare("c", {}));
    const auto arguments = copy->copy_arguments("c", {});
    ASSERT_EQ(arguments.size(), 3u);
    ASSERT_EQ(sh("touch " + arguments[1] + "/copied"), 0);
    ASSERT_TRUE(copy->copied("c"));
    EXPECT_TRUE(copy->copy_arguments("c", {}).empty());
    const auto plan = make_overlay_backend(home)->prepare("c", {});
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->kind, RootfsPlan::Kind::directory);
    EXPECT_EQ(sh("test -e " + plan->directory + "/copied"), 0);
    ASSERT_TRUE(make_overlay_backend(home)->prepare("d", {}));
    EXPECT_FALSE(copy->prepare("d", {}));
}

INSTANTIATE_TEST_SUITE_P(Filesystems, Backend, ::testing::Values("/tmp", "/dev/shm"),
                         [](const auto& name) { return std::string(name.index == 0 ? "Disk" : "Memory"); });

}  // namespace
}  // namespace engine::storage
