#include "engine/storage/container_archive.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/layer_unpack.h"
#include "engine/storage/path_in_root.h"
#include "engine/storage/tree_pack.h"

namespace engine::storage {
namespace {

constexpr size_t passwd_bytes_max = 1 << 20;

Error absent(Error error) {
    const int number = error.error_number();
    const bool missing = number == ENOENT || number == ENOTDIR;
    return missing ? std::move(error).with_kind(ErrorKind::not_found) : std::move(error);
}

std::string file_text(int root, const char* path) {
    std::string out;
    const UniqueFd fd(open_in(root, path, O_RDONLY | O_NONBLOCK));
    struct stat facts {};
    if (!fd || ::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return out;
    out.resize(static_cast<size_t>(std::min<off_t>(facts.st_size, passwd_bytes_max)));
    const ssize_t got = ::read(fd.get(), out.data(), out.size());
    out.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return out;
}

bool number(std::string_view text, uint32_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

std::string_view field(std::string_view line, int index) {
    for (; index > 0; index--) {
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) return {};
        line.remove_prefix(colon + 1);
    }
    return line.substr(0, line.find(':'));
}

// The line of a passwd or group file whose field `index` is `wanted`.
std::string_view line_with(std::string_view text, int index, std::string_view wanted) {
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (!wanted.empty() && field(line, index) == wanted) return line;
    }
    return {};
}

Result<Owner> owner_of(int root, std::string_view user) {
    Owner owner;
    const auto name = user.substr(0, user.find(':'));
    const auto group = user.find(':') == std::string_view::npos ? std::string_view() : user.substr(user.find(':') + 1);
    const std::string passwd = file_text(root, "/etc/passwd");
    const bool by_number = number(name, owner.uid);
    auto line = line_with(passwd, 0, name);
    if (line.empty() && by_number) line = line_with(passwd, 2, name);
    if (line.empty() && !by_number)
        return fail(ErrorKind::internal,
                    "unable to find user " + std::string(name) + ": no matching entries in passwd file");
    if (!line.empty()) {
        number(field(line, 2), owner.uid);
        number(field(line, 3), owner.gid);
    }
    if (group.empty() || number(group, owner.gid)) return owner;
    const std::string groups = file_text(root, "/etc/group");
    const auto found = line_with(groups, 0, group);
    if (!number(field(found, 2), owner.gid))
        return fail(ErrorKind::internal,
                    "unable to find group " + std::string(group) + ": no matching entries in group file");
    return owner;
}

}  // namespace

Result<PathStat> stat_path(int root, std::string_view path) {
    const std::string asked = asked_path(path);
    struct stat facts {};
    if (auto done = stat_in(root, asked, facts); !done) return fail(absent(std::move(done).error()));
    PathStat out;
    out.name = base_name(asked);
    out.size = facts.st_size;
    out.mode = facts.st_mode;
    out.mtime_seconds = facts.st_mtim.tv_sec;
    out.mtime_nanoseconds = static_cast<uint32_t>(facts.st_mtim.tv_nsec);
    if (S_ISLNK(facts.st_mode)) {
        TRY(out.link_target, resolve_path(root, asked, true));
    }
    return out;
}

Result<void> pack_path(int root, std::string_view path, TarSink& sink) {
    const std::string asked = asked_path(path);
    const std::string name = base_name(asked);
    TarWriter tar(sink);
    TreePacker packer(tar, Marks::as_they_are);
    struct stat facts {};
    if (auto done = stat_in(root, asked, facts); !done) return fail(absent(std::move(done).error()));
    if (S_ISDIR(facts.st_mode)) {
        const UniqueFd folder(open_in(root, asked.c_str(), O_RDONLY | O_DIRECTORY));
        if (!folder) return fail_errno(errno, "open " + asked);
        TRY_VOID(packer.folder(folder.get(), name == "/" ? name : name + "/"));
        return tar.finish();
    }
    const UniqueFd parent(open_in(root, asked.substr(0, asked.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY));
    if (!parent) return fail_errno(errno, "open " + asked);
    TRY_VOID(packer.one(parent.get(), name.c_str(), name));
    return tar.finish();
}

Result<void> extract_to(int root, const RootfsView& view, std::string_view path, BlockingSource& source,
                        const ExtractOptions& options) {
    auto resolved = resolve_path(root, absolute_path(path), false);
    if (!resolved) return fail(absent(std::move(resolved).error()));
    struct stat facts {};
    if (auto done = stat_in(root, *resolved, facts); !done) return fail(absent(std::move(done).error()));
    if (!S_ISDIR(facts.st_mode)) return fail(ErrorKind::invalid, "extraction point is not a directory");
    TRY_VOID(check_writable(view, *resolved));
    UnpackOptions unpack;
    unpack.base = resolved->substr(1);
    unpack.keep_types = options.keep_types;
    if (!options.user.empty()) {
        TRY(unpack.owner, owner_of(root, options.user));
    }
    auto done = unpack_archive(source, root, unpack);
    if (!done && done.error().kind() == ErrorKind::invalid)  // as dockerd answers a broken archive
        return fail(std::move(done).error().with_kind(ErrorKind::internal));
    return done;
}

std::string encode_stat(const PathStat& stat) {
    json::Writer w;
    w.begin_object().field("name", stat.name).field("size", stat.size).field("mode", stat.mode);
    w.field("mtime_seconds", stat.mtime_seconds).field("mtime_nanoseconds", stat.mtime_nanoseconds);
    return w.field("link_target", stat.link_target).end_object().take();
}

Result<PathStat> decode_stat(std::string_view record) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    TRY_VOID(error_of(record));
    PathStat out;
    std::string_view name;
    std::string_view target;
    uint64_t mode = 0;
    uint64_t nanoseconds = 0;
    if (parser.parse(record.data(), record.size()).get(root) != simdjson::SUCCESS ||
        root["name"].get(name) != simdjson::SUCCESS || root["size"].get(out.size) != simdjson::SUCCESS ||
        root["mode"].get(mode) != simdjson::SUCCESS || root["link_target"].get(target) != simdjson::SUCCESS ||
        root["mtime_seconds"].get(out.mtime_seconds) != simdjson::SUCCESS ||
        root["mtime_nanoseconds"].get(nanoseconds) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "the worker's answer is malformed");
    out.name = name;
    out.link_target = target;
    out.mode = static_cast<uint32_t>(mode);
    out.mtime_nanoseconds = static_cast<uint32_t>(nanoseconds);
    return out;
}

}  // namespace engine::storage
