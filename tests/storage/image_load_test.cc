// Loads through the store with real workers: every form of archive, wrong ones, clients and workers that go, full
// disks, lost files. After each failure nothing is left: no row, no folder, no process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"
#include "engine/storage/image_store.h"
#include "engine/storage/limits.h"
#include "tests/storage/archive_builder.h"

namespace engine::storage {
namespace {

using namespace testing;
namespace fs = std::filesystem;

std::string gzipped(const std::string& text) {
    std::string out(compressBound(text.size()) + 64, '\0');
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string zstd_packed(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

// Gives its text in pieces; at `turn` bytes something happens, and it may fail there as a client that leaves does.
class Client : public ByteSource {
public:
    explicit Client(std::string text) : text_(std::move(text)) {}
    Task<std::size_t> read(std::span<std::byte> buffer) override {
        size_t size = std::min<size_t>({buffer.size(), text_.size() - at_, 64 << 10});
        if (at_ < turn) size = std::min(size, turn - at_);
        std::copy_n(reinterpret_cast<const std::byte*>(text_.data()) + at_, size, buffer.begin());
        at_ += size;
        if (at_ == turn && on_turn) on_turn();
        if (at_ == turn && leaves) co_return fail(ErrorKind::canceled, "the client left");
        co_return size;
    }
    size_t turn = SIZE_MAX;
    bool leaves = false;
    std::function<void()> on_turn;

private:
    std::string text_;
    size_t at_ = 0;
};

std::vector<pid_t> children() {
    std::vector<pid_t> out;
    std::ifstream in("/proc/self/task/" + std::to_string(::gettid()) + "/children");
    for (pid_t pid = 0; in >> pid;) out.push_back(pid);
    return out;
}

size_t count_in(const std::string& folder) {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class Load : public ::testing::Test {
protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        home = "/tmp/load-test-XXXXXX";
        ASSERT_NE(::mkdtemp(home.data()), nullptr);
        auto made = reactor::Loop::create({});
        ASSERT_TRUE(made);
        loop = std::move(*made);
        open();
    }
    void TearDown() override {
        close();
        loop.reset();
        ASSERT_EQ(sh("rm -rf " + home), 0);
    }
    static int sh(const std::string& command) { return std::system(command.c_str()); }
    void open() {
        auto database = Database::open(home + "/state.db");
        ASSERT_TRUE(database);
        db = std::move(*database);
        backend = make_overlay_backend(home);
        ImageStore::Options options{home, STORAGE_WORKER, 0};
        auto opened = ImageStore::open(options, *db, *backend);
        ASSERT_TRUE(opened) << opened.error().message();
        store = std::move(*opened);
    }
    Task<void> settle() { return store->scope().join(); }
    void settled() {
        auto done = loop->run(settle());
        ASSERT_TRUE(done);
    }
    void close() {
        settled();
        store.reset();
        backend.reset();
        db.reset();
    }
    Task<void> load_task(Client* client, std::optional<Result<LoadResult>>* out) {
        auto loaded = co_await store->load(*client);
        out->emplace(std::move(loaded));
        co_return {};
    }
    Task<void> both(Client* a, std::optional<Result<LoadResult>>* out_a, Client* b,
                    std::optional<Result<LoadResult>>* out_b) {
        reactor::Scope scope("both");
        scope.spawn("first", load_task(a, out_a));
        scope.spawn("second", load_task(b, out_b));
        auto joined = co_await scope.join();
        co_return joined;
    }
    Result<LoadResult> load(Client& client) {
        std::optional<Result<LoadResult>> out;
        auto done = loop->run(load_task(&client, &out));
        EXPECT_TRUE(done);
        settled();
        return std::move(*out);
    }
    Result<LoadResult> load(const std::string& archive) {
        Client client(archive);
        return load(client);
    }
    std::string said(const std::string& archive) {
        auto out = load(archive);
        if (!out) return "error: " + out.error().message();
        std::string all;
        for (const auto& line : out->loaded) all += (all.empty() ? "" : "|") + line;
        return all;
    }
    struct Census {
        size_t layers, images, tags, folders, temporary, processes;
        auto operator<=>(const Census&) const = default;
    };
    Census census() {
        return {db->layers()->size(),       db->images()->size(),    db->tags()->size(),
                count_in(home + "/layers"), count_in(home + "/tmp"), children().size()};
    }
    void expect_refused(const std::string& archive, const std::string& words) {
        const Census before = census();
        const std::string answer = said(archive);
        EXPECT_TRUE(answer.starts_with("error: ")) << answer;
        EXPECT_NE(answer.find(words), std::string::npos) << answer << "\ninstead of: " << words;
        EXPECT_TRUE(census() == before) << answer;
    }
    Task<void> prepare(std::string container, std::string image, std::optional<Result<RootfsPlan>>* out) {
        auto plan = co_await store->prepare_rootfs(container, image);
        out->emplace(std::move(plan));
        co_return {};
    }
    const std::string& file_of(const std::string& name) {
        static std::string text;
        const auto image = store->find(name);
        text.clear();
        if (!image || image->chain.empty()) return text;
        std::ifstream in(home + "/layers/" + std::to_string(image->chain.back().number) + "/fs/a");
        text.assign(std::istreambuf_iterator<char>(in), {});
        return text;
    }

    std::string home;
    std::unique_ptr<reactor::Loop> loop;
    std::unique_ptr<Database> db;
    std::unique_ptr<StorageBackend> backend;
    std::unique_ptr<ImageStore> store;
};

const std::string layer_a = Tar().file("a", "first").end();
const std::string layer_b = Tar().file("a", "second").end();

TEST_F(Load, EveryFormAndCompression) {
    const std::string json = image_json({layer_a, layer_b});
    const std::string id = sha256_of(json);
    EXPECT_EQ(said(saved("plain:1", json, {layer_a, layer_b})), "Loaded image: plain:1");
    EXPECT_EQ(said(saved("packed:1", json, {gzipped(layer_a), zstd_packed(layer_b)})), "Loaded image: packed:1");
    EXPECT_EQ(said(gzipped(saved("gz:1", json, {layer_a, layer_b}))), "Loaded image: gz:1");
    EXPECT_EQ(said(zstd_packed(saved("zst:1", json, {gzipped(layer_a), layer_b}))), "Loaded image: zst:1");
    EXPECT_EQ(said(saved("", json, {layer_a, layer_b})), "Loaded image ID: " + id);
    Layout layout;
    const std::string manifest = layout.image(json, {layer_a, gzipped(layer_b)}, annotated("oci:1"));
    EXPECT_EQ(said(layout.end({manifest})), "Loaded image: oci:1");
    // Docker 25 and later: both descriptions in one archive.
    Layout both;
    const std::string again = both.image(json, {layer_a, layer_b}, annotated("wrong:1"));
    const auto blob = [](const std::string& data) { return "blobs/sha256/" + sha256_of(data).substr(7); };
    both.tar().file("manifest.json", "[{\"Config\":\"" + blob(json) + "\",\"RepoTags\":[\"both:1\"],\"Layers\":" +
                                         quoted_list({blob(layer_a), blob(layer_b)}) + "}]");
    EXPECT_EQ(said(both.end({again})), "Loaded image: both:1");
    // The oldest form names layers by their parents and knows no diff ids.
    Tar old;
    old.file("p/json", "{\"id\":\"p\"}").file("p/layer.tar", layer_a).file("c/json", "{\"id\":\"c\",\"parent\":\"p\"}");
    old.file("c/layer.tar", layer_b).file("repositories", "{\"old\":{\"1\":\"c\"}}");
    EXPECT_EQ(said(old.end()), "Loaded image: old:1");
    EXPECT_EQ(store->count(), 2u);  // the oldest form has another config
    EXPECT_EQ(db->layers()->size(), 2u);
    EXPECT_EQ(file_of("old:1"), "second");
    EXPECT_EQ(store->find("plain:1")->size, 11);
    EXPECT_EQ(count_in(home + "/tmp"), 0u);
}

TEST_F(Load, NamesMoveWithAWord) {
    const std::string first = image_json({layer_a});
    EXPECT_EQ(said(saved("x:1", first, {layer_a})), "Loaded image: x:1");
    EXPECT_EQ(said(saved("x:1", image_json({layer_b}), {layer_b})),
              "The image x:1 already exists, renaming the old one with ID " + sha256_of(first) +
                  " to empty string|Loaded image: x:1");
    EXPECT_EQ(store->count(), 2u);
}

TEST_F(Load, SharedAndRepeatedLayers) {
    EXPECT_EQ(said(saved("twice:1", image_json({layer_a, layer_a}), {layer_a, layer_a})), "Loaded image: twice:1");
    EXPECT_EQ(db->layers()->size(), 2u);
    EXPECT_EQ(file_of("twice:1"), "first");
    const auto more = load(saved("more:1", image_json({layer_a, layer_a, layer_b}), {layer_a, layer_a, layer_b}));
    ASSERT_TRUE(more);
    EXPECT_EQ(more->layers.size(), 1u);
    EXPECT_EQ(db->layers()->size(), 3u);
    EXPECT_EQ(store->shared_size(store->find("more:1")->id), 10);
    EXPECT_EQ(store->layers_size(), 16);
    ASSERT_TRUE(store->remove("more:1", false, true, {}));
    settled();
    EXPECT_EQ(count_in(home + "/layers"), 3u);  // two layers and the init layer of images without
}

TEST_F(Load, ThePlatformOfThisHost) {
    const std::string arm = image_json({layer_b}, ",\"x\":\"arm\"");
    const std::string amd = image_json({layer_a}, ",\"x\":\"amd\"");
#if defined(__aarch64__)
    const char* host = "arm64";
    const char* other = "amd64";
#else
    const char* host = "amd64";
    const char* other = "arm64";
#endif
    Layout layout;
    const auto theirs = layout.image(arm, {layer_b}, for_platform("linux", other));
    const auto ours = layout.image(amd, {layer_a}, for_platform("linux", host));
    const auto proof = layout.blob("{\"a\":1}", for_platform("unknown", "unknown"));
    const auto inner = layout.index({theirs, proof, ours});
    EXPECT_EQ(said(layout.end({layout.index({inner}, annotated("many:1"))})), "Loaded image: many:1");
    EXPECT_EQ(store->find("many:1")->config, amd);
    EXPECT_EQ(store->count(), 1u);
    Layout only;
    const auto single = only.image(arm, {layer_b}, for_platform("linux", other));
    EXPECT_EQ(said(only.end({only.index({single}, annotated("foreign:1"))})), "Loaded image: foreign:1");
}

TEST_F(Load, WrongArchivesLeaveNothing) {
    const std::string json = image_json({layer_a});
    expect_refused("", "no manifest.json");
    expect_refused("not a tar at all", "unexpected EOF");
    expect_refused(std::string(600, 'x'), "invalid tar header");
    expect_refused(Tar().file("x", "y").end(), "no manifest.json");
    expect_refused("BZh91AY&SY", "bzip2 compression is not supported");
    expect_refused(std::string("\xfd"
                               "7zXZ\0\0\0",
                               8),
                   "xz compression is not supported");
    expect_refused(saved("x:1", image_json({layer_b}), {layer_a}), "invalid diffID for layer 0: expected \"sha256:");
    expect_refused(saved("x:1", image_json({layer_a, layer_b}), {layer_a}),
                   "layers length mismatch: expected 1, got 2");
    expect_refused(saved("x:1", json, {"this is no layer"}), "no layer 0/layer.tar");
    expect_refused(saved("x:1", "{", {layer_a}), "config is not JSON");
    expect_refused(saved("x:1", image_json({layer_a}, ",\"config\":{\"Env\":\"a\"}"), {layer_a}), "Env is not a list");
    expect_refused(saved("X:1", json, {layer_a}), "must be lowercase");
    expect_refused(Tar().file("manifest.json", "{}").end(), "manifest.json is not a list");
    expect_refused(Tar().file("manifest.json", std::string(1000, '[')).end(), "not JSON");
    expect_refused(Tar().file("manifest.json", std::string(100 << 20, ' ')).end(), "has more than 8388608 bytes");
    expect_refused(Tar().file("manifest.json", "[{\"Config\":\"gone\",\"Layers\":[]}]").end(), "no file gone");
    const std::string whole = saved("x:1", json, {gzipped(layer_a)});
    const std::string packed = gzipped(whole);
    expect_refused(whole.substr(0, 700), "unexpected EOF");
    expect_refused(packed.substr(0, packed.size() - 9), "unexpected EOF");
    const std::string zstd = zstd_packed(whole);
    expect_refused(zstd.substr(0, zstd.size() - 5), "unexpected EOF");
    const std::string half = gzipped(layer_a).substr(0, 40);
    expect_refused(saved("x:1", json, {half}), "unpack 0/layer.tar: unexpected EOF");
    std::string rotten = gzipped(layer_a);
    rotten[20] = static_cast<char>(rotten[20] ^ 0x55);
    expect_refused(saved("x:1", json, {rotten}), "0/layer.tar");
    Layout layout;
    const std::string manifest = layout.image(json, {layer_b}, annotated("x:1"));
    expect_refused(layout.end({manifest}), "invalid diffID");
    Layout lying;
    const std::string right = lying.image(json, {layer_a}, annotated("x:1"));
    lying.tar().file("blobs/sha256/" + sha256_of(json).substr(7), json + " ");
    expect_refused(lying.end({right}), "is not what its name says");
    EXPECT_EQ(store->count(), 0u);
}

TEST_F(Load, HostileLayersStayInside) {
    const auto one = [](const std::string& layer) { return saved("x:1", image_json({layer}), {layer}); };
    expect_refused(one(Tar().file("../evil", "x").end()), "\"..\" in a path");
    expect_refused(one(Tar().link("out", '1', "../../etc/passwd").end()), "\"..\" in a path");
    expect_refused(one(Tar().link("out", '1', "/etc/passwd").end()), "invalid image archive");
    expect_refused(one(Tar().link("up", '2', "/nowhere").file("up/evil", "x").end()), "open up: No such file");
    expect_refused(one(Tar().link("l", '2', "l").file("l/evil", "x").end()), "Too many levels");
    expect_refused(one(Tar().raw(tar_header("p", 'x', "", 40 << 20)).end()), "invalid image archive");
    expect_refused(one(Tar()
                           .file(std::string(90, 'a') + "/" + std::string(9, 'b'), "x")
                           .raw(tar_header("huge", '0', "", 077777777777))
                           .end()),
                   "unexpected EOF");
    expect_refused(one(Tar().file(".wh...", "").end()), "invalid whiteout");
    // What only looks wild is kept, below the layer's own root.
    const std::string tame = Tar().file("/abs", "x").link("etc", '2', "../../../..").file("a", "in").end();
    EXPECT_EQ(said(one(tame)), "Loaded image: x:1");
    EXPECT_EQ(file_of("x:1"), "in");
    EXPECT_FALSE(fs::exists("/abs"));
}

TEST_F(Load, ABombIsRefused) {
    // 400 MiB of zeros twice packed: a few kilobytes. Each alone is within the ratio of its own stream.
    std::string zeros = gzipped(std::string(400 << 20, '\0'));
    const std::string layer = Tar().file("x", "y").end();
    const std::string archive = saved("x:1", image_json({layer}), {zeros});
    expect_refused(gzipped(archive), "decompression_ratio_max");
}

TEST_F(Load, ClientsAndWorkersThatGo) {
    const std::string big = Tar().file("a", std::string(8 << 20, 'x')).end();
    const std::string archive = saved("x:1", image_json({big}), {big});
    const Census before = census();
    for (const size_t turn : {size_t{1}, size_t{700}, size_t{3 << 20}, archive.size() - 1}) {
        Client leaving(archive);
        leaving.turn = turn;
        leaving.leaves = true;
        EXPECT_EQ(load(leaving).error().message(), "the client left");
        EXPECT_TRUE(census() == before) << turn;
        Client killing(archive);
        killing.turn = turn;
        killing.on_turn = [] {
            for (const pid_t worker : children()) ::kill(worker, SIGKILL);
        };
        const auto killed = load(killing);
        ASSERT_FALSE(killed) << turn;
        EXPECT_NE(killed.error().message().find("signal 9"), std::string::npos) << killed.error().message();
        EXPECT_TRUE(census() == before) << turn;
    }
    EXPECT_EQ(said(archive), "Loaded image: x:1");
}

TEST_F(Load, TwoAtOnceAreOneImage) {
    const std::string archive = saved("x:1", image_json({layer_a, layer_b}), {layer_a, layer_b});
    Client first(archive);
    Client second(archive);
    std::optional<Result<LoadResult>> one;
    std::optional<Result<LoadResult>> two;
    auto done = loop->run(both(&first, &one, &second, &two));
    ASSERT_TRUE(done);
    settled();
    ASSERT_TRUE(one->has_value() && two->has_value());
    EXPECT_EQ((*one)->layers.size() + (*two)->layers.size(), 2u);
    EXPECT_EQ(store->count(), 1u);
    EXPECT_EQ(census().folders, 3u);
    EXPECT_EQ(census().temporary, 0u);
}

TEST_F(Load, AFullDisk) {
    close();
    ASSERT_EQ(sh("mount -t tmpfs -o size=4m load-test " + home), 0);
    open();
    const std::string big = Tar().file("a", std::string(6 << 20, 'x')).end();
    expect_refused(saved("big:1", image_json({big}), {big}), "No space left on device");
    EXPECT_EQ(said(saved("small:1", image_json({layer_a}), {layer_a})), "Loaded image: small:1");
    close();
    EXPECT_EQ(sh("umount " + home), 0);
    open();
}

TEST_F(Load, LostFilesComeBackWithTheNextLoad) {
    const std::string shared = saved("one:1", image_json({layer_a}), {layer_a});
    EXPECT_EQ(said(shared), "Loaded image: one:1");
    EXPECT_EQ(said(saved("two:1", image_json({layer_a, layer_b}), {layer_a, layer_b})), "Loaded image: two:1");
    close();
    ASSERT_EQ(sh("rm -r " + home + "/layers/1/fs"), 0);
    for (int start = 0; start < 2; start++) {
        open();
        EXPECT_EQ(store->count(), 0u);
        EXPECT_EQ(store->problems().size(), 3u);
        close();
    }
    open();
    EXPECT_EQ(said(shared), "Loaded image: one:1");
    EXPECT_EQ(store->count(), 2u);
    EXPECT_EQ(file_of("two:1"), "second");
    EXPECT_TRUE(store->problems().empty());
}

TEST_F(Load, AContainerKeepsTheLayersOfARemovedImage) {
    EXPECT_EQ(said(saved("x:1", image_json({layer_a}), {layer_a})), "Loaded image: x:1");
    const std::string id = store->find("x:1")->id;
    const auto plan_of = [&](const std::string& container) {
        std::optional<Result<RootfsPlan>> plan;
        auto done = loop->run(prepare(container, id, &plan));
        EXPECT_TRUE(done);
        return plan->has_value() && fs::exists((*plan)->lowers.back() + "/a");
    };
    store->hold(id);
    EXPECT_TRUE(plan_of("c"));
    ASSERT_TRUE(store->remove("x:1", true, true, {}));
    settled();
    EXPECT_EQ(store->count(), 0u);
    EXPECT_TRUE(plan_of("c"));
    close();
    open();
    store->hold(id);
    EXPECT_EQ(said(saved("y:1", image_json({layer_b}), {layer_b})), "Loaded image: y:1");
    ASSERT_TRUE(store->remove("y:1", true, true, {}));  // collects what nobody holds
    settled();
    EXPECT_TRUE(plan_of("c"));
    store->release(id);
    settled();
    EXPECT_FALSE(plan_of("c"));
    EXPECT_EQ(count_in(home + "/layers"), 1u);
    EXPECT_TRUE(db->ghosts()->empty());
}

TEST_F(Load, TheStartTidiesItsOwnOnly) {
    EXPECT_EQ(said(saved("x:1", image_json({layer_a}), {layer_a})), "Loaded image: x:1");
    close();
    const std::string orphan(64, 'c');
    ASSERT_EQ(sh("cd " + home + " && mkdir -p tmp/load-7/0 layers/99/fs layers/mine containers/" + orphan +
                 "/upper containers/mine && touch layers/README"),
              0);
    open();
    settled();
    EXPECT_FALSE(fs::exists(home + "/layers/99"));
    EXPECT_FALSE(fs::exists(home + "/containers/" + orphan));
    for (const char* kept : {"/layers/mine", "/layers/README", "/containers/mine", "/layers/1/fs/a"})
        EXPECT_TRUE(fs::exists(home + kept)) << kept;
    EXPECT_EQ(count_in(home + "/tmp"), 0u);
    EXPECT_EQ(store->count(), 1u);
}

}  // namespace
}  // namespace engine::storage
