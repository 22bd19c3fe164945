#include "engine/runtime/linux/capabilities.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

// By number.
constexpr std::string_view kNames[] = {
    "CAP_CHOWN",          "CAP_DAC_OVERRIDE",  "CAP_DAC_READ_SEARCH", "CAP_FOWNER",         "CAP_FSETID",
    "CAP_KILL",           "CAP_SETGID",        "CAP_SETUID",          "CAP_SETPCAP",        "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",     "CAP_NET_RAW",        "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",      "CAP_SYS_MODULE",    "CAP_SYS_RAWIO",       "CAP_SYS_CHROOT",     "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",      "CAP_SYS_ADMIN",     "CAP_SYS_BOOT",        "CAP_SYS_NICE",       "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",       "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",          "CAP_LEASE",          "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",  "CAP_SETFCAP",       "CAP_MAC_OVERRIDE",    "CAP_MAC_ADMIN",      "CAP_SYSLOG",
    "CAP_WAKE_ALARM",     "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",      "CAP_PERFMON",        "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};
constexpr int kCount = static_cast<int>(std::size(kNames));

constexpr std::string_view kDefault[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE",
};

std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

struct Listed {
    uint64_t mask = 0;
    bool all = false;
};

Result<Listed> read_list(const std::vector<std::string>& names, std::string_view field) {
    Listed out;
    for (const auto& name : names) {
        std::string canonical = upper(name);
        if (canonical == "ALL") {
            out.all = true;
            continue;
        }
        if (!canonical.starts_with("CAP_")) canonical.insert(0, "CAP_");
        int number = capability_number(canonical);
        if (number < 0) {
            return fail(ErrorKind::invalid,
                        "invalid " + std::string(field) + ": unknown capability: \"" + canonical + "\"");
        }
        out.mask |= uint64_t{1} << number;
    }
    return out;
}

}  // namespace

uint64_t default_capabilities() {
    uint64_t mask = 0;
    for (std::string_view name : kDefault) mask |= uint64_t{1} << capability_number(name);
    return mask;
}

uint64_t all_capabilities() { return (uint64_t{1} << kCount) - 1; }

int capability_number(std::string_view name) {
    std::string canonical = upper(name);
    if (!canonical.starts_with("CAP_")) canonical.insert(0, "CAP_");
    const auto* found = std::find(std::begin(kNames), std::end(kNames), canonical);
    return found == std::end(kNames) ? -1 : static_cast<int>(found - std::begin(kNames));
}

std::string_view capability_name(int number) {
    return number >= 0 && number < kCount ? kNames[number] : std::string_view();
}

Result<uint64_t> container_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop,
                                        bool privileged) {
    TRY(Listed added, read_list(add, "CapAdd"));
    TRY(Listed dropped, read_list(drop, "CapDrop"));
    if (privileged) return all_capabilities();
    if (added.all) return all_capabilities() & ~dropped.mask;
    if (dropped.all) return added.mask;
    return (default_capabilities() & ~dropped.mask) | added.mask;
}

}  // namespace engine::runtime
