#include "engine/runtime/linux/device_rules.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"

namespace engine::runtime {
namespace {

static_assert(int{kDeviceMake} == BPF_DEVCG_ACC_MKNOD && int{kDeviceRead} == BPF_DEVCG_ACC_READ &&
              int{kDeviceWrite} == BPF_DEVCG_ACC_WRITE);

constexpr std::size_t rule_bytes_max = 64;

Result<std::int64_t> parse_number(std::string_view text, std::string_view rule) {
    if (text == "*") return -1;
    std::uint32_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
        return fail(ErrorKind::invalid, "invalid device cgroup rule format: '" + std::string(rule) + "'");
    return value;
}

// The instructions, with the jumps of a rule that does not fit filled in when its end is known.
class Program {
public:
    Program() {
        load(BPF_REG_2, offsetof(bpf_cgroup_dev_ctx, access_type));
        move(BPF_REG_3, BPF_REG_2);
        add({BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff});  // the type; the access stands above it
        add({BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16});
        load(BPF_REG_4, offsetof(bpf_cgroup_dev_ctx, major));
        load(BPF_REG_5, offsetof(bpf_cgroup_dev_ctx, minor));
    }

    void allow(const DeviceRule& rule) {
        std::vector<std::size_t> misses;
        const auto unless_equal = [&](std::uint8_t reg, std::int64_t value) {
            misses.push_back(code_.size());
            add({BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, static_cast<std::int32_t>(value)});
        };
        if (rule.type != 'a') unless_equal(BPF_REG_2, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        if (rule.access != kDeviceAll) {
            move(BPF_REG_1, BPF_REG_3);
            add({BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, static_cast<std::int32_t>(~rule.access & kDeviceAll)});
            unless_equal(BPF_REG_1, 0);
        }
        if (rule.major >= 0) unless_equal(BPF_REG_4, rule.major);
        if (rule.minor >= 0) unless_equal(BPF_REG_5, rule.minor);
        answer(1);
        for (const std::size_t at : misses) code_[at].off = static_cast<std::int16_t>(code_.size() - at - 1);
    }

    std::string take() {
        answer(0);
        return {reinterpret_cast<const char*>(code_.data()), code_.size() * sizeof(bpf_insn)};
    }

private:
    struct Instruction {
        int code;
        int target, source;
        std::int16_t off;
        std::int32_t value;
    };
    void add(const Instruction& i) {
        bpf_insn out{};
        out.code = static_cast<std::uint8_t>(i.code);
        out.dst_reg = static_cast<std::uint8_t>(i.target & 15);
        out.src_reg = static_cast<std::uint8_t>(i.source & 15);
        out.off = i.off;
        out.imm = i.value;
        code_.push_back(out);
    }
    void load(int reg, std::size_t offset) {
        add({BPF_LDX | BPF_W | BPF_MEM, reg, BPF_REG_1, static_cast<std::int16_t>(offset), 0});
    }
    void move(int to, int from) { add({BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0}); }
    void answer(std::int32_t value) {
        add({BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value});
        add({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
    }

    std::vector<bpf_insn> code_;
};

}  // namespace

const std::vector<DeviceRule>& default_device_rules() {
    static const std::vector<DeviceRule> rules = {
        {'c', -1, -1, kDeviceMake}, {'b', -1, -1, kDeviceMake},
        {'c', 1, 3, kDeviceAll},    // null
        {'c', 1, 5, kDeviceAll},    // zero
        {'c', 1, 7, kDeviceAll},    // full
        {'c', 1, 8, kDeviceAll},    // random
        {'c', 1, 9, kDeviceAll},    // urandom
        {'c', 5, 0, kDeviceAll},    // tty
        {'c', 5, 1, kDeviceAll},    // console
        {'c', 5, 2, kDeviceAll},    // ptmx
        {'c', 136, -1, kDeviceAll}, // pts
    };
    return rules;
}

uint8_t parse_device_access(std::string_view text) {
    uint8_t access = 0;
    for (const char c : text) {
        const uint8_t bit = c == 'r' ? kDeviceRead : c == 'w' ? kDeviceWrite : c == 'm' ? kDeviceMake : 0;
        if (bit == 0 || (access & bit) != 0) return 0;
        access |= bit;
    }
    return access;
}

Result<DeviceRule> parse_device_rule(std::string_view text) {
    const auto refuse = [&] {
        return fail(ErrorKind::invalid, "invalid device cgroup rule format: '" + std::string(text) + "'");
    };
    const std::size_t numbers = text.find(' ');
    const std::size_t access = numbers == std::string_view::npos ? numbers : text.find(' ', numbers + 1);
    if (access == std::string_view::npos || numbers != 1 || text.size() > rule_bytes_max) return refuse();
    const std::string_view pair = text.substr(2, access - 2);
    const std::size_t colon = pair.find(':');
    DeviceRule rule;
    rule.type = text[0];
    rule.access = parse_device_access(text.substr(access + 1));
    if ((rule.type != 'a' && rule.type != 'b' && rule.type != 'c') || rule.access == 0 ||
        colon == std::string_view::npos)
        return refuse();
    TRY(rule.major, parse_number(pair.substr(0, colon), text));
    TRY(rule.minor, parse_number(pair.substr(colon + 1), text));
    return rule;
}

std::vector<std::string> device_rule_lines(const std::vector<DeviceRule>& rules) {
    const auto number = [](std::int64_t value) { return value < 0 ? std::string("*") : std::to_string(value); };
    std::vector<std::string> out;
    for (const DeviceRule& rule : rules) {
        std::string rest = " " + number(rule.major) + ":" + number(rule.minor) + " ";
        if (rule.access & kDeviceRead) rest += 'r';
        if (rule.access & kDeviceWrite) rest += 'w';
        if (rule.access & kDeviceMake) rest += 'm';
        // The kernel takes "a" as everything there is, whatever stands behind it.
        for (const char type : {'b', 'c'})
            if (rule.type == type || rule.type == 'a') out.push_back(type + rest);
    }
    return out;
}

std::string device_program(const std::vector<DeviceRule>& rules) {
    Program program;
    for (const DeviceRule& rule : rules) program.allow(rule);
    return program.take();
}

bool device_programs_work() {
    const std::string program = device_program(default_device_rules());
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = reinterpret_cast<std::uint64_t>(program.data());
    attr.insn_cnt = static_cast<std::uint32_t>(program.size() / sizeof(bpf_insn));
    attr.license = reinterpret_cast<std::uint64_t>("Apache-2.0");
    return static_cast<bool>(UniqueFd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr))));
}

}  // namespace engine::runtime
