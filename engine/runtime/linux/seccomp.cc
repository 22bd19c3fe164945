#include "engine/runtime/linux/seccomp.h"

#include <seccomp.h>
#include <simdjson.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/runtime/linux/capabilities.h"

namespace engine::runtime {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr unsigned char kDefaultProfile[] = {
#include "seccomp_default.inc"
};

#if defined(__x86_64__)
constexpr std::string_view kGoArch = "amd64";
constexpr std::string_view kNativeArch = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
constexpr std::string_view kGoArch = "arm64";
constexpr std::string_view kNativeArch = "SCMP_ARCH_AARCH64";
#else
#error "seccomp: name this architecture"
#endif

tl::unexpected<Error> bad(const std::string& why) {
    return fail(ErrorKind::invalid, "Decoding seccomp profile failed: " + why);
}

Result<uint32_t> action_of(std::string_view name, uint32_t error) {
    if (name == "SCMP_ACT_ALLOW") return uint32_t{SCMP_ACT_ALLOW};
    if (name == "SCMP_ACT_ERRNO") return uint32_t{SCMP_ACT_ERRNO(error)};
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return uint32_t{SCMP_ACT_KILL_THREAD};
    if (name == "SCMP_ACT_KILL_PROCESS") return uint32_t{SCMP_ACT_KILL_PROCESS};
    if (name == "SCMP_ACT_TRAP") return uint32_t{SCMP_ACT_TRAP};
    if (name == "SCMP_ACT_TRACE") return uint32_t{SCMP_ACT_TRACE(error)};
    if (name == "SCMP_ACT_LOG") return uint32_t{SCMP_ACT_LOG};
    return bad("unknown action \"" + std::string(name) + "\"");
}

Result<scmp_compare> compare_of(std::string_view name) {
    if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
    if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
    if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
    if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
    if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
    if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
    if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
    return bad("unknown operator \"" + std::string(name) + "\"");
}

std::string_view text_at(object from, std::string_view key) {
    std::string_view value;
    return from[key].get(value) == simdjson::SUCCESS ? value : std::string_view();
}

uint64_t number_at(object from, std::string_view key, uint64_t otherwise) {
    uint64_t value = 0;
    return from[key].get(value) == simdjson::SUCCESS ? value : otherwise;
}

bool kernel_at_least(std::string_view wanted) {
    unsigned want_major = 0, want_minor = 0, major = 0, minor = 0;
    utsname names{};
    if (uname(&names) != 0 || sscanf(names.release, "%u.%u", &major, &minor) != 2) return false;
    if (sscanf(std::string(wanted).c_str(), "%u.%u", &want_major, &want_minor) != 2) return false;
    return major > want_major || (major == want_major && minor >= want_minor);
}

struct Condition {
    bool any_cap = false, all_caps = false;  // of those named; none named: false, true
    bool arch_named = false, arch = false;
    bool kernel = true;
};

Condition evaluate(object rule, std::string_view key, uint64_t capabilities) {
    Condition out;
    out.all_caps = true;
    object when;
    if (rule[key].get(when) != simdjson::SUCCESS) return out;
    simdjson::dom::array list;
    if (when["caps"].get(list) == simdjson::SUCCESS) {
        for (element e : list) {
            std::string_view name;
            int number = e.get(name) == simdjson::SUCCESS ? capability_number(name) : -1;
            bool has = number >= 0 && (capabilities >> number & 1);
            out.any_cap |= has;
            out.all_caps &= has;
        }
    }
    if (when["arches"].get(list) == simdjson::SUCCESS) {
        for (element e : list) {
            std::string_view name;
            if (e.get(name) != simdjson::SUCCESS) continue;
            out.arch_named = true;
            out.arch |= name == kGoArch;
        }
    }
    std::string_view minimum = text_at(when, "minKernel");
    if (!minimum.empty()) out.kernel = kernel_at_least(minimum);
    return out;
}

bool applies(object rule, uint64_t capabilities) {
    Condition in = evaluate(rule, "includes", capabilities);
    if (!in.all_caps || (in.arch_named && !in.arch) || !in.kernel) return false;
    object excludes;
    if (rule["excludes"].get(excludes) != simdjson::SUCCESS) return true;
    Condition out = evaluate(rule, "excludes", capabilities);
    bool kernel_excluded = !text_at(excludes, "minKernel").empty() && out.kernel;
    return !out.any_cap && !out.arch && !kernel_excluded;
}

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

Result<void> add_arch(void* context, std::string_view name) {
    if (!name.starts_with("SCMP_ARCH_")) return bad("unknown architecture \"" + std::string(name) + "\"");
    std::string lower(name.substr(10));
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    uint32_t arch = seccomp_arch_resolve_name(lower.c_str());
    if (arch == 0) return bad("unknown architecture \"" + std::string(name) + "\"");
    int error = seccomp_arch_add(context, arch);
    if (error != 0 && error != -EEXIST) return fail_errno(-error, "seccomp: architecture");
    return {};
}

Result<void> add_arches(void* context, object profile) {
    simdjson::dom::array list;
    if (profile["archMap"].get(list) == simdjson::SUCCESS) {
        for (element e : list) {
            object entry;
            if (e.get(entry) != simdjson::SUCCESS || text_at(entry, "architecture") != kNativeArch) continue;
            simdjson::dom::array subs;
            if (entry["subArchitectures"].get(subs) != simdjson::SUCCESS) continue;
            for (element sub : subs) {
                std::string_view name;
                if (sub.get(name) == simdjson::SUCCESS) {
                    TRY_VOID(add_arch(context, name));
                }
            }
        }
    }
    if (profile["architectures"].get(list) == simdjson::SUCCESS) {
        for (element e : list) {
            std::string_view name;
            if (e.get(name) == simdjson::SUCCESS) {
                TRY_VOID(add_arch(context, name));
            }
        }
    }
    return {};
}

Result<void> add_syscall(void* context, const std::string& name, uint32_t action,
                         const std::vector<scmp_arg_cmp>& args) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) return {};  // newer than the library, or of another architecture
    bool repeated = false;
    for (size_t i = 0; i < args.size(); ++i) {
        for (size_t j = 0; j < i; ++j) repeated |= args[i].arg == args[j].arg;
    }
    int error = 0;
    if (repeated) {
        // Conditions on the same argument are alternatives.
        for (const auto& arg : args) {
            error = seccomp_rule_add_array(context, action, number, 1, &arg);
            if (error != 0) break;
        }
    } else {
        error = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(args.size()), args.data());
    }
    if (error != 0 && error != -EEXIST) return fail_errno(-error, "seccomp: rule for " + name);
    return {};
}

Result<void> add_rule(void* context, object rule, uint32_t default_action) {
    uint32_t errno_ret = static_cast<uint32_t>(number_at(rule, "errnoRet", EPERM));
    TRY(uint32_t action, action_of(text_at(rule, "action"), errno_ret));
    if (action == default_action) return {};
    std::vector<scmp_arg_cmp> args;
    simdjson::dom::array list;
    if (rule["args"].get(list) == simdjson::SUCCESS) {
        for (element e : list) {
            object arg;
            if (e.get(arg) != simdjson::SUCCESS) return bad("args");
            TRY(scmp_compare op, compare_of(text_at(arg, "op")));
            uint64_t index = number_at(arg, "index", 0);
            if (index > 5) return bad("argument index");
            args.push_back(
                {static_cast<unsigned>(index), op, number_at(arg, "value", 0), number_at(arg, "valueTwo", 0)});
        }
    }
    std::string_view single = text_at(rule, "name");
    if (!single.empty()) {
        TRY_VOID(add_syscall(context, std::string(single), action, args));
    }
    if (rule["names"].get(list) != simdjson::SUCCESS) return {};
    for (element e : list) {
        std::string_view name;
        if (e.get(name) == simdjson::SUCCESS) {
            TRY_VOID(add_syscall(context, std::string(name), action, args));
        }
    }
    return {};
}

Result<std::string> export_filter(void* context) {
    UniqueFd fd(memfd_create("seccomp", MFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "memfd_create");
    int error = seccomp_export_bpf(context, fd.get());
    if (error != 0) return fail_errno(-error, "seccomp: compiling the profile");
    off_t size = lseek(fd.get(), 0, SEEK_END);
    std::string out(static_cast<size_t>(size < 0 ? 0 : size), '\0');
    if (pread(fd.get(), out.data(), out.size(), 0) != static_cast<ssize_t>(out.size()))
        return fail_errno(errno, "seccomp");
    return out;
}

}  // namespace

std::string_view default_seccomp_profile() {
    return {reinterpret_cast<const char*>(kDefaultProfile), sizeof kDefaultProfile};
}

Result<std::string> compile_seccomp(std::string_view profile_json, uint64_t capabilities) {
    simdjson::dom::parser parser;
    element document;
    object profile;
    if (auto error = parser.parse(simdjson::padded_string(profile_json)).get(document); error != simdjson::SUCCESS) {
        return bad(simdjson::error_message(error));
    }
    if (document.get(profile) != simdjson::SUCCESS) return bad("not an object");
    uint32_t default_errno = static_cast<uint32_t>(number_at(profile, "defaultErrnoRet", EPERM));
    TRY(uint32_t default_action, action_of(text_at(profile, "defaultAction"), default_errno));
    Context context(seccomp_init(default_action), seccomp_release);
    if (context == nullptr) return fail(ErrorKind::internal, "seccomp: out of memory");
    TRY_VOID(add_arches(context.get(), profile));
    // A binary tree instead of a list of 350 comparisons in front of every system call of the container.
    seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    simdjson::dom::array rules;
    if (profile["syscalls"].get(rules) == simdjson::SUCCESS) {
        for (element e : rules) {
            object rule;
            if (e.get(rule) != simdjson::SUCCESS) return bad("syscalls");
            if (applies(rule, capabilities)) {
                TRY_VOID(add_rule(context.get(), rule, default_action));
            }
        }
    }
    return export_filter(context.get());
}

}  // namespace engine::runtime
