#include "engine/runtime/linux/device_rules.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>

namespace engine::runtime {
namespace {

// What the kernel does with such a program, as far as these use it.
bool allows(const std::string& program, char type, std::uint32_t major, std::uint32_t minor, std::uint32_t access) {
    std::vector<bpf_insn> code(program.size() / sizeof(bpf_insn));
    std::memcpy(code.data(), program.data(), program.size());
    const std::uint32_t context[3] = {access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major,
                                      minor};
    std::uint64_t r[11] = {};
    for (std::size_t at = 0; at < code.size(); ++at) {
        const bpf_insn& i = code[at];
        const auto value = static_cast<std::uint32_t>(i.imm);
        switch (i.code) {
            case BPF_LDX | BPF_W | BPF_MEM: r[i.dst_reg] = context[i.off / 4]; break;
            case BPF_ALU | BPF_MOV | BPF_X: r[i.dst_reg] = r[i.src_reg]; break;
            case BPF_ALU | BPF_AND | BPF_K: r[i.dst_reg] &= value; break;
            case BPF_ALU | BPF_RSH | BPF_K: r[i.dst_reg] >>= value; break;
            case BPF_ALU64 | BPF_MOV | BPF_K: r[i.dst_reg] = value; break;
            case BPF_JMP | BPF_JNE | BPF_K:
                if (r[i.dst_reg] != value) at += static_cast<std::size_t>(i.off);
                break;
            case BPF_JMP | BPF_EXIT: return r[0] != 0;
            default: ADD_FAILURE() << "instruction " << int{i.code}; return false;
        }
    }
    ADD_FAILURE() << "the program has no end";
    return false;
}

TEST(DeviceRules, TheDefaultIsToMakeAnythingAndToUseTheHarmless) {
    const std::string program = device_program(default_device_rules());
    EXPECT_TRUE(allows(program, 'c', 1, 3, kDeviceRead | kDeviceWrite));
    EXPECT_TRUE(allows(program, 'c', 136, 4711, kDeviceAll));
    EXPECT_TRUE(allows(program, 'b', 8, 0, kDeviceMake));
    EXPECT_FALSE(allows(program, 'b', 8, 0, kDeviceRead));
    EXPECT_FALSE(allows(program, 'b', 1, 3, kDeviceRead));
    EXPECT_FALSE(allows(program, 'c', 1, 1, kDeviceRead));
    EXPECT_FALSE(allows(program, 'c', 10, 237, kDeviceMake | kDeviceWrite));
}

TEST(DeviceRules, OneRule) {
    const auto rule = parse_device_rule("a 7:* rm");
    ASSERT_TRUE(rule);
    const std::string program = device_program({*rule});
    EXPECT_TRUE(allows(program, 'b', 7, 3, kDeviceRead));
    EXPECT_TRUE(allows(program, 'c', 7, 0, kDeviceRead | kDeviceMake));
    EXPECT_FALSE(allows(program, 'b', 7, 3, kDeviceRead | kDeviceWrite));
    EXPECT_FALSE(allows(program, 'b', 8, 3, kDeviceRead));
    EXPECT_EQ(device_rule_lines({*rule}), (std::vector<std::string>{"b 7:* rm", "c 7:* rm"}));
}

TEST(DeviceRules, NothingIsAllowedByNoRule) {
    EXPECT_FALSE(allows(device_program({}), 'c', 1, 3, kDeviceRead));
}

TEST(DeviceRules, Words) {
    for (const char* good : {"c 1:3 rwm", "b *:* m", "a 4294967295:0 w"}) EXPECT_TRUE(parse_device_rule(good)) << good;
    for (const char* bad : {"", "c", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 rr", "c 1:3 x", "c -1:3 r", "c 1:3  r",
                            "c 4294967296:0 r", "cc 1:3 r", "c 1:3 rwmr"})
        EXPECT_FALSE(parse_device_rule(bad)) << bad;
    EXPECT_EQ(parse_device_rule("c 1").error().message(), "invalid device cgroup rule format: 'c 1'");
}

}  // namespace
}  // namespace engine::runtime
