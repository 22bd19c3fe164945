// The store with real workers: load, find, tag, remove, import, restart.
#include "engine/storage/image_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::storage {
namespace {

class TextSource : public ByteSource {
public:
    explicit TextSource(std::string text) : text_(std::move(text)) {}
    Task<std::size_t> read(std::span<std::byte> buffer) override {
        const size_t size = std::min(buffer.size(), text_.size() - at_);
        std::copy_n(reinterpret_cast<const std::byte*>(text_.data()) + at_, size, buffer.begin());
        at_ += size;
        co_return size;
    }

private:
    std::string text_;
    size_t at_ = 0;
};

std::string file_text(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

Task<void> story(std::string home) {
    CO_TRY(auto db, Database::open(home + "/state.db"));
    auto backend = make_overlay_backend(home);
    ImageStore::Options options{home, STORAGE_WORKER, 0};
    CO_TRY(auto store, ImageStore::open(options, *db, *backend));
    TextSource broken("this is no archive");
    auto failed = co_await store->load(broken);
    EXPECT_FALSE(failed);
    TextSource root(file_text(home + "/root.tar"));
    std::string config = "{\"config\":{\"Cmd\":[\"sh\"]}}";
    std::string message = "made by hand";
    std::string name = "mine:1";
    CO_TRY(const std::string id, co_await store->import(root, config, message, name));
    EXPECT_EQ(store->list().size(), 1u);
    EXPECT_EQ(store->find("mine:1")->id, id);
    EXPECT_EQ(store->find(id.substr(7, 6))->id, id);
    EXPECT_EQ(store->find("other").error().message(), "No such image: other:latest");
    EXPECT_TRUE(store->tag("mine:1", "again"));
    std::string container = "c1";
    CO_TRY(const RootfsPlan plan, co_await store->prepare_rootfs(container, id));
    EXPECT_EQ(plan.lowers.size(), 2u);
    EXPECT_EQ(::access((plan.lowers[0] + "/etc/hosts").c_str(), F_OK), 0);
    EXPECT_EQ(::access((plan.lowers[1] + "/a").c_str(), F_OK), 0);
    EXPECT_TRUE(store->remove_rootfs("c1"));
    CO_TRY_VOID(co_await store->scope().join());
    store.reset();
    CO_TRY(store, ImageStore::open(options, *db, *backend));
    EXPECT_EQ(store->find("again")->id, id);
    EXPECT_EQ(store->remove("again", false, true, {})->size(), 1u);
    const auto used = [](std::string_view) { return std::vector<ContainerUse>{{std::string(64, 'c'), false}}; };
    EXPECT_EQ(
        store->remove("mine:1", false, true, used).error().message(),
        "conflict: unable to remove repository reference \"mine:1\" (must force) - container cccccccccccc is using "
        "its referenced image " +
            id.substr(7, 12));
    EXPECT_EQ(store->remove("mine:1", false, true, {})->size(), 3u);
    CO_TRY_VOID(co_await store->scope().join());
    EXPECT_EQ(std::system(("test -z \"$(ls " + home + "/tmp)\"").c_str()), 0);
    co_return {};
}

TEST(ImageStore, LivesThroughAStory) {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/store-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    const std::string home = name;
    ASSERT_EQ(std::system(("cd " + home + " && mkdir r && echo a > r/a && tar -C r -cf root.tar . && rm -r r").c_str()),
              0);
    auto loop = reactor::Loop::create({});
    ASSERT_TRUE(loop);
    const auto done = (*loop)->run(story(home));
    EXPECT_TRUE(done) << done.error().message();
    ASSERT_EQ(std::system(("rm -rf " + home).c_str()), 0);
}

}  // namespace
}  // namespace engine::storage
