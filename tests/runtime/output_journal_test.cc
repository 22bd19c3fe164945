// Output that is read and not logged, over the death of the process that read it: a journal opened again stands for
// the next engine.
#include "engine/runtime/output_journal.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/support/scratch.h"

namespace engine::runtime {
namespace {

constexpr std::size_t ring = 64 * 1024;

class OutputJournalTest : public testing::Test {
protected:
    std::unique_ptr<OutputJournal> open() {
        auto journal = OutputJournal::open(path, ring);
        EXPECT_TRUE(journal) << journal.error().message();
        return std::move(*journal);
    }
    // As a reader does it, in as many reads as it takes.
    static void put(OutputJournal& journal, LogStream stream, std::string_view text) {
        while (!text.empty()) {
            const auto space = journal.space(stream);
            ASSERT_FALSE(space.empty());
            const std::size_t size = std::min(space.size(), text.size());
            journal.reading(stream, size);
            std::memcpy(space.data(), text.data(), size);
            journal.took(stream, size, 1);
            text.remove_prefix(size);
        }
    }
    static std::string waiting(const OutputJournal& journal) {
        std::string out;
        journal.each([&out](LogStream stream, std::string_view bytes) {
            out += stream == LogStream::stderr_ ? "2:" : "1:";
            out += bytes;
        });
        return out;
    }
    // Everything up to now is logged, but for `rest` bytes of stdout.
    static OutputJournal::Marks all(const OutputJournal& journal, std::uint64_t rest = 0) {
        OutputJournal::Marks marks = journal.marks();
        for (; marks.head < journal.tail(); ++marks.head)
            marks.scanned[journal.chunk(marks.head).stream] += journal.chunk(marks.head).bytes;
        for (unsigned i = 0; i < 2; ++i) marks.begin[i] = marks.scanned[i];
        marks.begin[0] -= rest;
        return marks;
    }

    test::Scratch scratch{"journal-test"};
    std::string path = scratch.path() + "/journal";
};

TEST_F(OutputJournalTest, KeepsOrderAndBytesOverAReopening) {
    {
        auto journal = open();
        put(*journal, LogStream::stdout_, "one\n");
        put(*journal, LogStream::stderr_, "two\n");
        put(*journal, LogStream::stdout_, "thr");
    }
    EXPECT_EQ(waiting(*open()), "1:one\n2:two\n1:thr");
}

TEST_F(OutputJournalTest, WhatIsLoggedIsGoneAndAHalfLineStays) {
    auto journal = open();
    put(*journal, LogStream::stdout_, "one\ntw");
    journal->writing({7, 0, 10}, all(*journal, 2));
    journal->wrote();
    EXPECT_EQ(waiting(*journal), "1:tw");
    EXPECT_FALSE(journal->has_chunks());
    EXPECT_FALSE(journal->empty());
    put(*journal, LogStream::stdout_, "o\n");
    EXPECT_EQ(waiting(*open()), "1:tw1:o\n");
}

TEST_F(OutputJournalTest, AnAnnouncedWriteIsToldToTheNextEngine) {
    {
        auto journal = open();
        put(*journal, LogStream::stdout_, "one\n");
        journal->writing({7, 100, 200}, all(*journal));
    }
    {
        auto journal = open();
        const auto left = journal->unfinished();
        ASSERT_TRUE(left.there);
        EXPECT_EQ(left.write.inode, 7u);
        EXPECT_EQ(left.write.size_before, 100);
        EXPECT_EQ(left.write.size_after, 200);
        journal->forget_write();
        EXPECT_EQ(waiting(*journal), "1:one\n");
        journal->writing({7, 100, 200}, all(*journal));
    }
    auto journal = open();
    ASSERT_TRUE(journal->unfinished().there);
    journal->wrote();
    EXPECT_TRUE(journal->empty());
}

TEST_F(OutputJournalTest, AReadThatHappenedIsTakenAndOneThatDidNotIsNot) {
    {
        auto journal = open();
        const auto space = journal->space(LogStream::stdout_);
        journal->reading(LogStream::stdout_, 20);
        std::memset(space.data(), 'x', 20);   // the kernel has put the bytes there, nobody has said so
    }
    EXPECT_EQ(waiting(*open()), "1:" + std::string(20, 'x'));
    {
        auto journal = open();
        journal->reading(LogStream::stdout_, 20);
    }
    EXPECT_EQ(waiting(*open()), "1:" + std::string(20, 'x'));
}

TEST_F(OutputJournalTest, AnyPieceIsOneSpanHoweverOftenTheRingGoesRound) {
    auto journal = open();
    std::string tail;
    for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string(i) + std::string(static_cast<std::size_t>(i * 37 % 9000), 'a') + "\n";
        put(*journal, i % 3 == 0 ? LogStream::stderr_ : LogStream::stdout_, text);
        std::string seen;
        journal->each([&seen](LogStream, std::string_view bytes) { seen += bytes; });
        ASSERT_EQ(seen.size(), tail.size() + text.size()) << i;
        tail = i % 2 == 0 ? "x" : "";
        if (i % 3 != 0 && tail == "x") {
            journal->writing({7, 0, 1}, all(*journal, 1));
            tail = "\n";
        } else {
            journal->writing({7, 0, 1}, all(*journal));
            tail = "";
        }
        journal->wrote();
    }
}

TEST_F(OutputJournalTest, IsFullWhenItIsFull) {
    auto journal = open();
    std::size_t taken = 0;
    for (auto space = journal->space(LogStream::stdout_); !space.empty() && taken < 10 * ring;
         space = journal->space(LogStream::stdout_)) {
        journal->reading(LogStream::stdout_, space.size());
        std::memset(space.data(), 'y', space.size());
        journal->took(LogStream::stdout_, space.size(), 1);
        taken += space.size();
    }
    EXPECT_EQ(taken, ring);
    EXPECT_FALSE(journal->space(LogStream::stderr_).empty());
    journal->writing({7, 0, 1}, all(*journal));
    journal->wrote();
    EXPECT_FALSE(journal->space(LogStream::stdout_).empty());
}

TEST_F(OutputJournalTest, NonsenseIsNotBelieved) {
    {
        auto journal = open();
        put(*journal, LogStream::stdout_, "one\n");
    }
    for (const std::size_t at : {std::size_t{0}, std::size_t{8}, std::size_t{16}, std::size_t{24}, std::size_t{48},
                                 std::size_t{64}, std::size_t{72}}) {
        const std::string other = scratch.path() + "/broken";
        std::ifstream in(path, std::ios::binary);
        std::string bytes{std::istreambuf_iterator<char>(in), {}};
        for (std::size_t i = at; i < at + 8; ++i) bytes[i] = '\x5a';
        std::ofstream(other, std::ios::binary) << bytes;
        auto journal = OutputJournal::open(other, ring);
        ASSERT_TRUE(journal);
        put(**journal, LogStream::stderr_, "goes on\n");
        EXPECT_NE(waiting(**journal).find("goes on"), std::string::npos);
        (*journal)->remove();
    }
}

TEST_F(OutputJournalTest, IsGoneWhenItIsRemoved) {
    auto journal = open();
    EXPECT_TRUE(journal->kept());
    journal->remove();
    EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace engine::runtime
