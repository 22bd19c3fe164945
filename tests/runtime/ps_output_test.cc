#include "engine/runtime/ps_output.h"

#include <gtest/gtest.h>

namespace engine::runtime {
namespace {

using Rows = std::vector<std::vector<std::string>>;

TEST(PsOutput, lines_of_the_containers_processes_only) {
    const auto table = parse_ps_output("UID   PID  PPID CMD\nroot   12  1 sleep 100\nroot   13     1 sh -c  x\n", {13});
    ASSERT_TRUE(table);
    EXPECT_EQ(table->titles, (std::vector<std::string>{"UID", "PID", "PPID", "CMD"}));
    EXPECT_EQ(table->processes, (Rows{{"root", "13", "1", "sh -c x"}}));
}

TEST(PsOutput, threads_belong_to_the_process_above) {
    const auto table = parse_ps_output("PID LWP\n5 -\n- 5\n7 -\n- 7\n- 8\n", {7});
    ASSERT_TRUE(table);
    EXPECT_EQ(table->processes, (Rows{{"7", "-"}, {"-", "7"}, {"-", "8"}}));
}

TEST(PsOutput, what_is_no_table_of_pids) {
    EXPECT_EQ(parse_ps_output("CMD\nsh\n", {1}).error().message(), "Couldn't find PID field in ps output");
    EXPECT_EQ(parse_ps_output("", {1}).error().message(), "Couldn't find PID field in ps output");
    EXPECT_EQ(parse_ps_output("PID\nabc\n", {1}).error().message(),
              "Unexpected pid 'abc': strconv.Atoi: parsing \"abc\": invalid syntax");
    EXPECT_FALSE(parse_ps_output("A PID\nx\n", {1}));
}

TEST(PsOutput, no_other_column_is_called_pid) {
    EXPECT_TRUE(check_ps_arguments("-o pid=PID"));
    EXPECT_TRUE(check_ps_arguments("-ef"));
    EXPECT_TRUE(check_ps_arguments("aux=PID"));   // it is the first word
    EXPECT_EQ(check_ps_arguments("-o  ppid=PID").error().message(), "specifying \"ppid=PID\" is not allowed");
    EXPECT_EQ(check_ps_arguments("-o ppid= PIDX").error().message(), "specifying \"ppid=PIDX\" is not allowed");
}

TEST(PsOutput, arguments) {
    EXPECT_EQ(split_ps_arguments("-o pid  x"), (std::vector<std::string>{"-o", "pid", "", "x"}));
    EXPECT_EQ(ps_pids_argument({1, 20}), "-q1,20");
    EXPECT_EQ(ps_pids_argument({}), "-q");
}

}  // namespace
}  // namespace engine::runtime
