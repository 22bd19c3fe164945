#include "engine/runtime/mount_spec.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string>

#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

tl::unexpected<Error> bad_volume(std::string_view text, std::string_view why = {}) {
    std::string message = "invalid volume specification: '" + std::string(text) + "'";
    if (!why.empty()) message.append(": ").append(why);
    return fail(ErrorKind::invalid, std::move(message));
}

bool is_propagation(std::string_view word) {
    static constexpr std::string_view known[] = {"private", "rprivate", "slave", "rslave", "shared", "rshared"};
    return std::find(std::begin(known), std::end(known), word) != std::end(known);
}

// Each kind of option once, as dockerd has it.
bool take_mode(std::string_view mode, MountSpec& mount) {
    bool access = false, label = false, propagation = false, copy = false;
    const auto once = [](bool& seen) { return !std::exchange(seen, true); };
    while (!mode.empty()) {
        const std::size_t comma = mode.find(',');
        const std::string_view word = mode.substr(0, comma);
        mode.remove_prefix(comma == std::string_view::npos ? mode.size() : comma + 1);
        bool fits = false;
        if (word == "ro" || word == "rw") {
            fits = once(access);
            mount.read_only = word == "ro";
        } else if (word == "z" || word == "Z") {
            fits = once(label);  // SELinux relabelling: this engine has no labels
        } else if (word == "nocopy") {
            fits = once(copy);
        } else if (is_propagation(word)) {
            fits = once(propagation);
            mount.propagation = std::string(word);
        }
        if (!fits) return false;
    }
    return true;
}

// Go's filepath.Clean for absolute paths.
std::string clean(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
    std::string out;
    for (const std::string_view part : parts) out.append("/").append(part);
    return out.empty() ? "/" : out;
}

tl::unexpected<Error> bad_mount(const MountSpec& mount, std::string_view why) {
    return fail(ErrorKind::invalid,
                "invalid mount config for type \"" + mount.type_name + "\": " + std::string(why));
}

Result<void> check_mount(const MountSpec& mount) {
    if (mount.type == MountType::other)
        return fail(ErrorKind::invalid, "mount type unknown: \"" + mount.type_name + "\"");
    if (mount.target.empty()) return bad_mount(mount, "field Target must not be empty");
    if (mount.target[0] != '/')
        return bad_mount(mount, "invalid mount path: '" + mount.target + "' mount path must be absolute");
    if (clean(mount.target) == "/") return bad_mount(mount, "invalid specification: destination can't be '/'");
    if (mount.type == MountType::tmpfs && !mount.source.empty())
        return bad_mount(mount, "field Source must not be specified");
    if (mount.type != MountType::bind) return {};
    if (mount.source.empty()) return bad_mount(mount, "field Source must not be empty");
    if (mount.source[0] != '/')
        return bad_mount(mount, "invalid mount path: '" + mount.source + "' mount path must be absolute");
    if (!mount.propagation.empty() && !is_propagation(mount.propagation))
        return bad_mount(mount, "invalid propagation mode: " + mount.propagation);
    struct stat there {};
    if (!mount.create_source && ::stat(mount.source.c_str(), &there) != 0)
        return bad_mount(mount, "bind source path does not exist: " + mount.source);
    return {};
}

}  // namespace

Result<MountSpec> parse_bind(std::string_view text) {
    MountSpec mount;
    mount.create_source = true;
    const std::size_t first = text.find(':');
    if (first == std::string_view::npos || first == 0) return bad_volume(text);
    const std::size_t next = text.find(':', first + 1);
    mount.source = std::string(text.substr(0, first));
    mount.target = std::string(text.substr(first + 1, next == std::string_view::npos ? next : next - first - 1));
    if (next != std::string_view::npos) {
        mount.mode = std::string(text.substr(next + 1));
        if (mount.mode.find(':') != std::string::npos) return bad_volume(text);
        if (!take_mode(mount.mode, mount)) return fail(ErrorKind::invalid, "invalid mode: " + mount.mode);
    }
    if (mount.target.empty()) return bad_volume(text);
    if (mount.target[0] != '/')
        return bad_volume(text, "invalid mount path: '" + mount.target + "' mount path must be absolute");
    mount.target = clean(mount.target);
    if (mount.target == "/") return bad_volume(text, "invalid specification: destination can't be '/'");
    if (mount.source[0] == '/') {
        mount.source = clean(mount.source);
        return mount;
    }
    const bool relative = mount.source[0] == '.' || mount.source.find('/') != std::string::npos;
    if (relative || mount.source.size() < 2)
        return fail(
            ErrorKind::invalid,
            "create " + mount.source + ": \"" + mount.source +
                "\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
                "allowed. If you intended to pass a host directory, use absolute path");
    mount.type = MountType::volume;
    mount.type_name = "volume";
    return mount;
}

std::vector<MountSpec> mounts_of(const ContainerSpec& spec) {
    std::vector<MountSpec> out;
    for (const std::string& text : spec.binds)
        if (auto mount = parse_bind(text)) out.push_back(std::move(*mount));
    for (MountSpec mount : spec.mounts) {
        mount.target = clean(mount.target);
        out.push_back(std::move(mount));
    }
    for (const auto& [target, options] : spec.tmpfs) {
        MountSpec mount;
        mount.type = MountType::tmpfs;
        mount.type_name = "tmpfs";
        mount.target = clean(target);
        mount.tmpfs_options = options;
        out.push_back(std::move(mount));
    }
    return out;
}

Result<void> check_mounts(const ContainerSpec& spec) {
    for (const std::string& text : spec.binds) {
        TRY_VOID(parse_bind(text));
    }
    for (const MountSpec& mount : spec.mounts) {
        TRY_VOID(check_mount(mount));
    }
    for (const auto& [target, options] : spec.tmpfs)
        if (target.empty() || target[0] != '/')
            return fail(ErrorKind::invalid, "invalid mount path: '" + target + "' mount path must be absolute");
    std::set<std::string> targets;
    for (const MountSpec& mount : mounts_of(spec))
        if (!targets.insert(mount.target).second)
            return fail(ErrorKind::invalid, "Duplicate mount point: " + mount.target);
    return {};
}

}  // namespace engine::runtime
