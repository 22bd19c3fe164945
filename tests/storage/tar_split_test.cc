// A layer's exact archive comes back, whatever tar wrote it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/storage/decompress.h"
#include "engine/storage/digest.h"
#include "engine/storage/layer_unpack.h"
#include "engine/storage/tar_split.h"
#include "tests/support/scratch.h"

namespace engine::storage {
namespace {

class StringSink : public ArchiveSink {
public:
    Result<void> write(std::string_view bytes) override {
        text += bytes;
        return {};
    }
    std::string text;
};

class TarSplit : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_FALSE(home.empty());
        ::umask(0);
        sh("mkdir in");
    }
    void sh(const std::string& command) {
        ASSERT_EQ(std::system(("cd " + home + " && set -e && umask 022 && " + command).c_str()), 0) << command;
    }
    std::string contents(const std::string& name) {
        std::ifstream file(home + "/" + name, std::ios::binary);
        std::ostringstream out;
        out << file.rdbuf();
        return out.str();
    }
    UniqueFd folder(const std::string& name) {
        ::mkdir((home + "/" + name).c_str(), 0700);
        return UniqueFd(::open((home + "/" + name).c_str(), O_RDONLY | O_DIRECTORY));
    }
    // Unpacks home/file into home/name and expects its uncompressed bytes back.
    void round_trip(const std::string& file, const std::string& plain, const std::string& name) {
        const UniqueFd into = folder(name);
        const UniqueFd fd(::open((home + "/" + file).c_str(), O_RDONLY));
        FdSource source(fd.get());
        const auto unpacked = unpack_layer_kept(source, into.get());
        ASSERT_TRUE(unpacked) << unpacked.error().message();
        const std::string wanted = contents(plain);
        EXPECT_EQ(unpacked->diff_id, sha256_of(wanted));
        EXPECT_EQ(unpacked->tar_bytes, static_cast<int64_t>(wanted.size()));
        StringSink sink;
        const auto written = write_layer_tar(into.get(), sink);
        ASSERT_TRUE(written) << written.error().message();
        EXPECT_EQ(sha256_of(sink.text), unpacked->diff_id);
        EXPECT_TRUE(sink.text == wanted);
    }
    test::Scratch scratch{"tar_split_test"};
    const std::string home = scratch.path();
};

TEST_F(TarSplit, EveryFormatOfTarComesBack) {
    sh("cd in; mkdir -p a/b; echo hello >a/one; head -c 300000 /dev/urandom >a/b/big; : >empty; ln -s one a/link;"
       "ln a/one a/hard; mkfifo pipe; mknod null c 1 3; truncate -s 3M sparse; echo end >>sparse; chmod 0 a/one;"
       "echo $(seq 100) | tr ' ' x >$(printf 'long%.0s' $(seq 60)); setfattr -n user.x -v y a/b/big || true");
    for (const char* format : {"gnu", "pax", "posix", "ustar", "oldgnu"}) {
        const std::string name = std::string("layer-") + format;
        const bool short_names = std::string(format) == "ustar";
        sh("tar -C in --format=" + std::string(format) + (short_names ? " --exclude='long*'" : "") + " -cf " + name +
           ".tar .");
        round_trip(name + ".tar", name + ".tar", name);
    }
    sh("tar -C in -S --format=gnu -cf s1.tar sparse; tar -C in -S --format=pax -cf s2.tar sparse;"
       "tar -C in -S --format=pax --sparse-version=0.1 -cf s3.tar sparse");
    for (const char* name : {"s1", "s2", "s3"})
        round_trip(std::string(name) + ".tar", std::string(name) + ".tar", name);
}

TEST_F(TarSplit, BytesAfterTheEndAreKept) {
    sh("echo x >in/x; tar -C in -b 40 -cf l.tar x; echo trailing >>l.tar");
    round_trip("l.tar", "l.tar", "l");
}

TEST_F(TarSplit, WhatALaterEntryReplacesIsKept) {
    sh("cd in; echo first >f; mkdir d; echo inside >d/g; echo linked >h; ln h h2; tar -cf ../l.tar f d h h2;"
       "echo second, longer >f; rm -r d; echo now a file >d; rm h; echo other >h; tar -rf ../l.tar f d h;"
       "echo third >f; tar -rf ../l.tar f");
    round_trip("l.tar", "l.tar", "l");
    EXPECT_EQ(contents("l/fs/f"), "third\n");
    EXPECT_EQ(contents("l/fs/d"), "now a file\n");
    EXPECT_EQ(contents("l/fs/h2"), "linked\n");
}

TEST_F(TarSplit, ACompressedArchiveIsKeptAsItCame) {
    sh("head -c 100000 /dev/urandom >in/x; tar -C in -cf l.tar x; gzip -k9 l.tar; zstd -q l.tar; printf '\\0\\0' "
       ">>l.tar.gz");
    for (const char* suffix : {"gz", "zst"}) {
        const std::string file = std::string("l.tar.") + suffix;
        round_trip(file, "l.tar", suffix);
        EXPECT_TRUE(contents(std::string(suffix) + "/blob") == contents(file));
        EXPECT_NE(::access((home + "/" + suffix + "/split").c_str(), F_OK), 0);
    }
}

TEST_F(TarSplit, TheRecordIsSmall) {
    sh("cd in; for i in $(seq 500); do echo $i >file$i; done; tar -cf ../l.tar .");
    round_trip("l.tar", "l.tar", "l");
    struct stat split {};
    ASSERT_EQ(::stat((home + "/l/split").c_str(), &split), 0);
    EXPECT_LT(split.st_size, 40'000);  // of an archive of half a megabyte
}

TEST_F(TarSplit, ATreeThatWasChangedIsTold) {
    sh("echo 0123456789 >in/x; tar -C in -cf l.tar x");
    const UniqueFd into = folder("l");
    const UniqueFd fd(::open((home + "/l.tar").c_str(), O_RDONLY));
    FdSource source(fd.get());
    ASSERT_TRUE(unpack_layer_kept(source, into.get()));
    sh("echo 1 >l/fs/x");
    StringSink sink;
    const auto written = write_layer_tar(into.get(), sink);
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message().find("shorter"), std::string::npos) << written.error().message();
    const UniqueFd nothing = folder("nothing");
    EXPECT_EQ(write_layer_tar(nothing.get(), sink).error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace engine::storage
