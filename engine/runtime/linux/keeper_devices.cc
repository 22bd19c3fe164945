#include "engine/runtime/linux/keeper_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace engine::runtime {
namespace {

constexpr size_t kProgramLimit = BPF_MAXINSNS * sizeof(bpf_insn);

alignas(8) char loaded_program[kProgramLimit];
size_t loaded_size = 0;
int loaded_fd = -1;

int load(const char* program, size_t size) {
    if (loaded_fd >= 0 && loaded_size == size && memcmp(loaded_program, program, size) == 0) return 0;
    if (loaded_fd >= 0) close(loaded_fd);
    loaded_fd = -1;
    memcpy(loaded_program, program, size);
    loaded_size = size;
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = reinterpret_cast<uintptr_t>(loaded_program);
    attr.insn_cnt = static_cast<uint32_t>(size / sizeof(bpf_insn));
    attr.license = reinterpret_cast<uintptr_t>("Apache-2.0");
    loaded_fd = static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
    return loaded_fd >= 0 ? 0 : errno;
}

}  // namespace

int attach_device_filter(const char* program, size_t size, const char* cgroup_directory) {
    if (size == 0 || size % sizeof(bpf_insn) != 0 || size > kProgramLimit) return EINVAL;
    int error = load(program, size);
    if (error != 0) return error;
    int group = open(cgroup_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0) return errno;
    bpf_attr attr{};
    attr.target_fd = static_cast<uint32_t>(group);
    attr.attach_bpf_fd = static_cast<uint32_t>(loaded_fd);
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    error = syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) == 0 ? 0 : errno;
    close(group);
    return error;
}

}  // namespace engine::runtime
