// What the writer writes is what the project's reader, and GNU tar, read.
#include "engine/storage/tar_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/storage/layer_unpack.h"
#include "engine/storage/tree_pack.h"
#include "tests/support/scratch.h"

namespace engine::storage {
namespace {

class StringSink : public TarSink {
public:
    Result<void> write(std::string_view bytes) override {
        text += bytes;
        return {};
    }
    std::string text;
};

class StringSource : public BlockingSource {
public:
    explicit StringSource(std::string_view text) : text_(text) {}
    Result<size_t> read(std::span<char> into) override {
        const size_t size = std::min(into.size(), text_.size());
        std::memcpy(into.data(), text_.data(), size);
        text_.remove_prefix(size);
        return size;
    }

private:
    std::string_view text_;
};

TarEntry round_trip(const TarEntry& entry, std::string_view data = {}) {
    StringSink sink;
    TarWriter tar(sink);
    EXPECT_TRUE(tar.begin(entry));
    EXPECT_TRUE(tar.data(data));
    EXPECT_TRUE(tar.finish());
    EXPECT_EQ(sink.text.size() % 512, 0u);
    StringSource source(sink.text);
    TarReader reader(source);
    TarEntry out;
    const auto there = reader.next(out);
    EXPECT_TRUE(there && *there) << (there ? "" : there.error().message());
    std::string got;
    while (true) {
        const auto part = reader.chunk();
        EXPECT_TRUE(part);
        if (!part || part->empty()) break;
        got += *part;
    }
    EXPECT_EQ(got, data);
    TarEntry none;
    const auto more = reader.next(none);
    EXPECT_TRUE(more && !*more);
    return out;
}

TEST(TarWriter, KeepsEveryField) {
    TarEntry entry;
    entry.path = "a/b";
    entry.mode = 06751;
    entry.uid = 12;
    entry.gid = 34;
    entry.size = 3;
    entry.mtime_seconds = 1'500'000'000;
    const TarEntry out = round_trip(entry, "abc");
    EXPECT_EQ(out.path, "a/b");
    EXPECT_EQ(out.mode, 06751u);
    EXPECT_EQ(out.uid, 12u);
    EXPECT_EQ(out.gid, 34u);
    EXPECT_EQ(out.size, 3u);
    EXPECT_EQ(out.mtime_seconds, 1'500'000'000);
    EXPECT_EQ(out.mtime_nanoseconds, 0u);
}

TEST(TarWriter, NamesOfEveryLength) {
    for (size_t length : {1u, 99u, 100u, 101u, 155u, 156u, 255u, 256u, 257u, 300u, 4000u}) {
        for (const bool slashes : {false, true}) {
            TarEntry entry;
            for (size_t i = 0; i < length; i++)
                entry.path += slashes && i % 40 == 39 && i + 1 < length ? '/' : static_cast<char>('a' + i % 26);
            entry.type = TarType::symlink;
            entry.link = entry.path + "x";
            if (entry.link.size() >= 4096) entry.link.resize(4000);
            const TarEntry out = round_trip(entry);
            EXPECT_EQ(out.path, entry.path) << length;
            EXPECT_EQ(out.link, entry.link) << length;
        }
    }
}

TEST(TarWriter, TimesBeforeAndBetweenSeconds) {
    const std::pair<int64_t, uint32_t> times[] = {{0, 0},         {0, 1},          {1, 500'000'000}, {-1, 0},
                                                  {-1, 1},        {-2, 750'000'000}, {-1, 999'999'999},
                                                  {8'589'934'591, 0}, {8'589'934'592, 5}, {-62'135'596'800, 0}};
    for (const auto& [seconds, nanoseconds] : times) {
        TarEntry entry;
        entry.path = "t";
        entry.mtime_seconds = seconds;
        entry.mtime_nanoseconds = nanoseconds;
        const TarEntry out = round_trip(entry);
        EXPECT_EQ(out.mtime_seconds, seconds);
        EXPECT_EQ(out.mtime_nanoseconds, nanoseconds) << seconds;
    }
}

TEST(TarWriter, BigNumbersDevicesAndAttributes) {
    TarEntry entry;
    entry.path = "d";
    entry.type = TarType::block_device;
    entry.uid = 4'000'000'000;
    entry.gid = 2'097'152;
    entry.device_major = 4095;
    entry.device_minor = 1'048'575;
    entry.xattrs = {{"security.capability", std::string("\1\0\0\2\0=\n", 7)}, {"user.empty", ""}};
    const TarEntry out = round_trip(entry);
    EXPECT_EQ(out.type, TarType::block_device);
    EXPECT_EQ(out.uid, 4'000'000'000u);
    EXPECT_EQ(out.gid, 2'097'152u);
    EXPECT_EQ(out.device_major, 4095u);
    EXPECT_EQ(out.device_minor, 1'048'575u);
    EXPECT_EQ(out.xattrs, entry.xattrs);
}

// A tree with one of everything that a file can be.
void fill(const std::filesystem::path& root) {
    namespace fs = std::filesystem;
    fs::create_directories(root / "folder/empty");
    std::ofstream(root / "folder/file") << "hello";
    ::chmod((root / "folder/file").c_str(), 04751);
    fs::create_hard_link(root / "folder/file", root / "twin");
    fs::create_symlink("/no/where", root / "link");
    ::mkfifo((root / "fifo").c_str(), 0640);
    ::mknod((root / "null").c_str(), S_IFCHR | 0666, makedev(1, 3));
    ASSERT_EQ(::lchown((root / "link").c_str(), 7, 8), 0);
    ASSERT_EQ(::chown((root / "fifo").c_str(), 3'000'000, 4), 0);
    std::ofstream(root / std::string(200, 'n')) << "long";
    const UniqueFd sparse(::open((root / "sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::pwrite(sparse.get(), "mid", 3, 1 << 20), 3);
    ASSERT_EQ(::ftruncate(sparse.get(), 3 << 20), 0);
    const timespec times[2] = {{1'000'000'000, 123'456'789}, {1'000'000'000, 123'456'789}};
    ::utimensat(AT_FDCWD, (root / "folder/file").c_str(), times, 0);
    ::utimensat(AT_FDCWD, (root / "link").c_str(), times, AT_SYMLINK_NOFOLLOW);
    ::utimensat(AT_FDCWD, (root / "folder").c_str(), times, 0);
}

std::string packed(const std::filesystem::path& root, Marks marks = Marks::as_they_are) {
    const UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    StringSink sink;
    TarWriter tar(sink);
    const auto done = TreePacker(tar, marks).below(fd.get(), "");
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_TRUE(tar.finish());
    return sink.text;
}

TEST(TreePacker, ReadBackByOurReaderIsTheSameTree) {
    const test::Scratch scratch("tar-writer");
    const std::filesystem::path from = scratch.path() + "/from";
    const std::filesystem::path into = scratch.path() + "/into";
    std::filesystem::create_directory(from);
    std::filesystem::create_directory(into);
    fill(from);
    const std::string first = packed(from);
    EXPECT_LT(first.size(), 100'000u);  // the holes are not in it
    const UniqueFd root(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    StringSource source(first);
    const auto unpacked = unpack_layer(source, root.get());
    ASSERT_TRUE(unpacked) << unpacked.error().message();
    EXPECT_EQ(packed(into), first);  // bit for bit: names, ids, times, links, holes, devices
    CountingSink counter;
    TarWriter counted(counter);
    ASSERT_TRUE(TreePacker(counted, Marks::as_they_are).below(root.get(), ""));
    ASSERT_TRUE(counted.finish());
    EXPECT_EQ(counter.bytes(), first.size());
}

TEST(TreePacker, ReadBackByGnuTarIsTheSameTree) {
    const test::Scratch scratch("tar-writer");
    const std::filesystem::path from = scratch.path() + "/from";
    const std::filesystem::path into = scratch.path() + "/into";
    std::filesystem::create_directory(from);
    std::filesystem::create_directory(into);
    fill(from);
    const std::string archive = scratch.path() + "/a.tar";
    std::ofstream(archive) << packed(from);
    const std::string command = "tar --xattrs --xattrs-include='*' -xpSf " + archive + " -C " + into.string();
    ASSERT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(packed(into), packed(from));
}

TEST(TreePacker, OverlayMarksBecomeWhiteouts) {
    const test::Scratch scratch("tar-writer");
    const std::filesystem::path root = scratch.path() + "/layer";
    std::filesystem::create_directories(root / "opaque/inside");
    if (::mknod((root / "gone").c_str(), S_IFCHR, 0) != 0) GTEST_SKIP() << "no whiteouts on this file system";
    if (::setxattr((root / "opaque").c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0)
        GTEST_SKIP() << "no trusted attributes on this file system";
    const std::string text = packed(root, Marks::whiteouts);
    StringSource source(text);
    TarReader reader(source);
    std::vector<std::string> names;
    TarEntry entry;
    while (true) {
        const auto more = reader.next(entry);
        if (!more || !*more) break;
        names.push_back(entry.path);
        EXPECT_TRUE(entry.xattrs.empty());
    }
    EXPECT_EQ(names, (std::vector<std::string>{".wh.gone", "opaque/", "opaque/.wh..wh..opq", "opaque/inside/"}));
}

}  // namespace
}  // namespace engine::storage
