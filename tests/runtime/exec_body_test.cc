// Bodies of the exec requests, and the note for the next engine.
#include <gtest/gtest.h>

#include "engine/runtime/exec_body.h"

namespace engine::runtime {
namespace {

std::string refusal(std::string_view body) {
    const auto parsed = parse_exec_create(body);
    return parsed ? "accepted" : parsed.error().message();
}

TEST(ExecBody, EverythingIsRead) {
    const auto spec = parse_exec_create(
        R"({"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":true,"Privileged":true,"User":"u:g",)"
        R"("WorkingDir":"/w","Env":["A=b","C"],"Cmd":["sh","-c","x"],"DetachKeys":"ctrl-a,b","ConsoleSize":[25,80],)"
        R"("Unknown":{"of":"later"}})");
    ASSERT_TRUE(spec);
    EXPECT_TRUE(spec->attach_stdin && spec->attach_stdout && spec->attach_stderr && spec->tty && spec->privileged);
    EXPECT_EQ(spec->user, "u:g");
    EXPECT_EQ(spec->working_dir, "/w");
    EXPECT_EQ(spec->env, (std::vector<std::string>{"A=b", "C"}));
    EXPECT_EQ(spec->cmd, (std::vector<std::string>{"sh", "-c", "x"}));
    EXPECT_EQ(spec->detach_keys, "\x01" "b");
    ASSERT_TRUE(spec->console_size);
    EXPECT_EQ(spec->console_size->rows, 25u);
    EXPECT_EQ(spec->console_size->columns, 80u);
}

TEST(ExecBody, WhatIsAbsentOrNullIsEmpty) {
    const auto spec = parse_exec_create(R"({"Cmd":["a"],"Env":null,"User":null,"Tty":null,"ConsoleSize":null})");
    ASSERT_TRUE(spec);
    EXPECT_FALSE(spec->attach_stdin || spec->attach_stdout || spec->tty || spec->privileged || spec->console_size);
    EXPECT_TRUE(spec->env.empty() && spec->user.empty() && spec->detach_keys.empty());
    const auto start = parse_exec_start("");
    ASSERT_TRUE(start);
    EXPECT_FALSE(start->detach || start->tty || start->console_size);
}

TEST(ExecBody, Refused) {
    EXPECT_EQ(refusal(""), "No exec command specified");
    EXPECT_EQ(refusal("null"), "No exec command specified");
    EXPECT_EQ(refusal("{}"), "No exec command specified");
    EXPECT_EQ(refusal(R"({"Cmd":[]})"), "No exec command specified");
    EXPECT_EQ(refusal(R"({"Cmd":["a"],"Tty":"x"})"),
              "invalid JSON: json: cannot unmarshal string into Go struct field ExecOptions.Tty of type bool");
    EXPECT_EQ(refusal(R"({"Cmd":{}})"),
              "invalid JSON: json: cannot unmarshal object into Go struct field ExecOptions.Cmd of type []string");
    EXPECT_EQ(refusal(R"({"Cmd":["a"],"ConsoleSize":[1.5]})"),
              "invalid JSON: json: cannot unmarshal number 1.5 into Go struct field ExecOptions.ConsoleSize of type "
              "uint");
    EXPECT_EQ(refusal("[]"), "invalid JSON: json: cannot unmarshal array into Go value of type container.ExecOptions");
    EXPECT_EQ(refusal(R"({"Cmd":["a"],"DetachKeys":"ctrl-1"})"), "Invalid escape keys (ctrl-1) provided");
    EXPECT_EQ(refusal(R"({"Cmd":["a\u0000b"]})"), "command contains a NUL byte");
    EXPECT_EQ(refusal(R"({"Cmd":["a"],"User":"\u0000"})"), "user contains a NUL byte");
    EXPECT_NE(refusal("{"), "accepted");
    EXPECT_FALSE(parse_exec_start(R"({"Detach":1})"));
}

TEST(ExecBody, TheNoteKeepsWhatInspectShows) {
    ExecSpec spec;
    spec.cmd = {"sh", "-c", "echo \"\x01\""};
    spec.user = "u";
    spec.detach_keys = std::string("\0\x10", 2);
    spec.attach_stdin = spec.attach_stderr = spec.tty = spec.privileged = true;
    const auto note = parse_exec_note(exec_note_text("c0ffee", spec));
    ASSERT_TRUE(note) << note.error().message();
    EXPECT_EQ(note->container, "c0ffee");
    EXPECT_EQ(note->spec.cmd, spec.cmd);
    EXPECT_EQ(note->spec.user, spec.user);
    EXPECT_EQ(note->spec.detach_keys, spec.detach_keys);
    EXPECT_TRUE(note->spec.attach_stdin && note->spec.attach_stderr && note->spec.tty && note->spec.privileged);
    EXPECT_FALSE(note->spec.attach_stdout);
    EXPECT_FALSE(parse_exec_note("{}"));
    EXPECT_FALSE(parse_exec_note("half a no"));
}

}  // namespace
}  // namespace engine::runtime
