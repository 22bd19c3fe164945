// A log that drops keeps whole lines, however they are cut into reads.
#include "engine/runtime/whole_lines.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace engine::runtime {
namespace {

std::string kept_of(WholeLines& lines, std::string_view data, bool behind) {
    const WholeLines::Kept kept = lines.keep(data, behind);
    return std::string(data.substr(kept.from, kept.bytes));
}

TEST(WholeLines, KeepsEverythingWhileThereIsRoom) {
    WholeLines lines;
    EXPECT_EQ(kept_of(lines, "one\ntw", false), "one\ntw");
    EXPECT_EQ(kept_of(lines, "o\nthr", false), "o\nthr");
}

TEST(WholeLines, BeginsNoLineWhenBehindAndEndsTheOneItBegan) {
    WholeLines lines;
    EXPECT_EQ(kept_of(lines, "one\ntw", false), "one\ntw");
    EXPECT_EQ(kept_of(lines, "o", true), "o");
    EXPECT_EQ(kept_of(lines, "o\nthr", true), "o\n");
    EXPECT_EQ(kept_of(lines, "ee", false), "");
    EXPECT_EQ(kept_of(lines, " more\nfour\n", false), "four\n");
}

TEST(WholeLines, DropsTheRestOfADroppedLine) {
    WholeLines lines;
    lines.drop("one\ntw");
    EXPECT_EQ(kept_of(lines, "o\nthree\n", false), "three\n");
    lines.drop("four\n");
    EXPECT_EQ(kept_of(lines, "five\n", false), "five\n");
}

TEST(WholeLines, ALineLongerThanAllRoomIsNotJoinedWithTheNext) {
    WholeLines lines;
    EXPECT_EQ(kept_of(lines, "long", true), "");
    WholeLines begun;
    EXPECT_EQ(kept_of(begun, "long", false), "long");
    begun.drop("longer\n");
    EXPECT_EQ(kept_of(begun, "next\nafter\n", false), "\nafter\n");
}

TEST(WholeLines, WhateverTheReadsAre) {
    std::mt19937 random(7);
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i) + " end\n";
    for (int round = 0; round < 50; ++round) {
        WholeLines lines;
        std::string kept;
        for (std::size_t at = 0; at < text.size();) {
            const std::string_view piece = std::string_view(text).substr(at, 1 + random() % 300);
            at += piece.size();
            kept += kept_of(lines, piece, random() % 2 == 0);
        }
        int last = -1;
        for (std::size_t at = 0; at < kept.size();) {
            const std::size_t end = kept.find('\n', at);
            ASSERT_NE(end, std::string::npos);
            const std::string line = kept.substr(at, end - at);
            at = end + 1;
            const int number = std::stoi(line.substr(5));
            ASSERT_EQ(line, "line " + std::to_string(number) + " end");
            ASSERT_GT(number, last);
            last = number;
        }
    }
}

}  // namespace
}  // namespace engine::runtime
