#include "engine/runtime/log_tail.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "engine/reactor/unique_fd.h"

namespace engine::runtime {
namespace {

std::string cut(const std::string& text) {
    const UniqueFd fd(memfd_create("log", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_TRUE(cut_torn_record(fd.get()));
    std::string out(text.size() + 1, 0);
    out.resize(static_cast<std::size_t>(pread(fd.get(), out.data(), out.size(), 0)));
    return out;
}

TEST(LogTail, OnlyATornRecordGoes) {
    EXPECT_EQ(cut(""), "");
    EXPECT_EQ(cut("{}\n{}\n"), "{}\n{}\n");
    EXPECT_EQ(cut("{}\n{\"log\":"), "{}\n");
    EXPECT_EQ(cut("{\"log\":"), "");
    const std::string whole = std::string(5000, 'x') + "\n";
    EXPECT_EQ(cut(whole + std::string(10000, 'y')), whole);
}

}  // namespace
}  // namespace engine::runtime
