// docker's rules of cp: what is copied takes the name of its destination unless that is a folder that is there.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "engine/reactor/try.h"
#include "engine/storage/layer_unpack.h"
#include "engine/storage/path_in_root.h"
#include "engine/storage/tree_pack.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/session.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

using engine::ErrorKind;
using engine::fail;
using engine::fail_errno;

struct Place {
    std::string container;  // "" is here
    std::string path;
};

// CONTAINER:PATH; a path that begins with "/" or "." is always here.
Place place_of(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || colon == std::string::npos) return {"", text};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

struct RemoteStat {
    bool exists = false, folder = false, symlink = false;
    std::string name, target;
};

std::string base64_decoded(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int have = 0;
    for (const char c : text) {
        const std::size_t digit = digits.find(c);
        if (digit == std::string_view::npos) break;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out += static_cast<char>(bits >> have & 0xff);
    }
    return out;
}

RemoteStat decoded(const HttpReply& reply) {
    RemoteStat out;
    JsonDocument document;
    if (!document.parse(base64_decoded(reply.header("X-Docker-Container-Path-Stat")))) return out;
    const auto mode = static_cast<std::uint64_t>(json_number(document.root(), "mode"));
    out.exists = true;
    out.folder = (mode >> 31 & 1) != 0;
    out.symlink = (mode >> 27 & 1) != 0;
    out.name = json_text(document.root(), "name");
    out.target = json_text(document.root(), "linkTarget");
    return out;
}

std::string archive_url(const Place& place) {
    return "/containers/" + url_escape(place.container) + "/archive" + Query().add("path", place.path).text();
}

Result<RemoteStat> remote_stat(Client& client, const Place& place) {
    TRY(const auto connection, client.open("HEAD", archive_url(place)));
    const int status = connection->reply().status();
    if (status == 404) {
        // A container that is not there is an error, a path that is not there is an answer.
        TRY_VOID(client.call("GET", "/containers/" + url_escape(place.container) + "/json"));
        return RemoteStat();
    }
    if (status >= 400) return fail(daemon_error(status, ""));
    return decoded(connection->reply());
}

bool asks_for_folder(std::string_view path) { return path.ends_with('/') || path.ends_with("/.") || path == "."; }
bool asks_for_contents(std::string_view path) { return path == "." || path.ends_with("/."); }

std::string parent_of(const std::string& path) {
    const std::string whole = engine::storage::absolute_path(path);
    return whole.substr(0, std::max<std::size_t>(whole.rfind('/'), 1));
}

std::string whole_path(const std::string& path) {
    if (path.starts_with('/')) return engine::storage::asked_path(path);
    char here[4096];
    return engine::storage::asked_path(std::string(::getcwd(here, sizeof here)) + "/" + path);
}

// An answer's body read as a worker reads its input.
class ReplySource : public engine::storage::BlockingSource {
public:
    explicit ReplySource(Connection& connection) : connection_(connection) {}
    Result<size_t> read(std::span<char> into) override {
        while (at_ == piece_.size() && more_) {
            piece_.clear();
            at_ = 0;
            TRY(more_, connection_.receive_some([this](std::string_view bytes) -> Result<void> {
                piece_.append(bytes);
                return {};
            }));
        }
        const size_t size = std::min(into.size(), piece_.size() - at_);
        piece_.copy(into.data(), size, at_);
        at_ += size;
        received += size;
        return size;
    }
    std::uint64_t received = 0;

private:
    Connection& connection_;
    std::string piece_;
    size_t at_ = 0;
    bool more_ = true;
};

struct Options {
    bool archive = false, follow = false, quiet = false;
};

int told(const Options& options, std::uint64_t bytes, const std::string& where) {
    if (!options.quiet)
        std::fprintf(stderr, "Successfully copied %s to %s\n", human_size(static_cast<std::int64_t>(bytes)).c_str(),
                     where.c_str());
    return 0;
}

Result<std::uint64_t> to_stdout(Client& client, const Place& from) {
    std::uint64_t bytes = 0;
    TRY_VOID(client.stream("GET", archive_url(from), [&bytes](std::string_view piece) -> Result<void> {
        bytes += piece.size();
        return write_out(STDOUT_FILENO, piece);
    }));
    return bytes;
}

Result<std::uint64_t> from_container(Client& client, Place from, const std::string& to, const Options& options) {
    TRY(RemoteStat stat, remote_stat(client, from));
    if (options.follow && stat.symlink) {
        from.path = stat.target;
        TRY(stat, remote_stat(client, from));
    }
    if (to == "-") return to_stdout(client, from);
    TRY(const auto connection, client.open("GET", archive_url(from)));
    if (connection->reply().status() >= 400) {
        std::string refusal;
        for (bool more = true; more;) {
            TRY(more, connection->receive_some([&refusal](std::string_view bytes) -> Result<void> {
                refusal.append(bytes);
                return {};
            }));
        }
        return fail(daemon_error(connection->reply().status(), refusal));
    }
    const RemoteStat source = decoded(connection->reply());
    struct stat here {};
    const bool there = ::stat(to.c_str(), &here) == 0;
    const std::string whole = whole_path(to);
    std::string folder = engine::storage::absolute_path(whole);
    engine::storage::UnpackOptions unpack;
    unpack.keep_types = true;
    unpack.renamed = source.name == "/" || source.name == "." ? "" : source.name;
    unpack.as = unpack.renamed;
    if (there && S_ISDIR(here.st_mode)) {
        if (asks_for_contents(from.path)) unpack.as.clear();
    } else {
        if (there && source.folder) return fail(ErrorKind::invalid, "cannot copy directory");
        if (!there && asks_for_folder(to) && !source.folder)
            return fail(ErrorKind::invalid, "no such directory");  // dockerd's client knows where, so do we
        unpack.as = engine::storage::base_name(folder);
        folder = parent_of(folder);
        if (unpack.renamed.empty()) {  // the root or a folder's contents under a new name
            folder += "/" + unpack.as;
            if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + folder);
        }
    }
    const UniqueFd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail(ErrorKind::invalid, "invalid output path: directory \"" + folder + "\" does not exist");
    if (!options.archive || ::geteuid() != 0) unpack.owner = engine::storage::Owner{::geteuid(), ::getegid()};
    ReplySource body(*connection);
    TRY_VOID(engine::storage::unpack_archive(body, root.get(), unpack));
    return body.received;
}

Result<void> pack_local(engine::storage::TarSink& sink, const std::string& path, const std::string& as) {
    const std::string folder = parent_of(path);
    engine::storage::TarWriter tar(sink);
    engine::storage::TreePacker packer(tar, engine::storage::Marks::as_they_are);
    struct stat facts {};
    const bool is_folder = ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
    const bool whole = is_folder && (asks_for_folder(path) || as == ".");
    const UniqueFd at(::open(whole ? path.c_str() : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!at) return fail_errno(errno, "open " + (whole ? path : folder));
    if (whole) {
        TRY_VOID(packer.folder(at.get(), as + "/"));
    } else {
        TRY_VOID(packer.one(at.get(), engine::storage::base_name(path).c_str(), as));
    }
    return tar.finish();
}

// A child writes the archive while we send it.
Result<UniqueFd> packed(const std::string& path, const std::string& as, pid_t& child) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    UniqueFd read_end(ends[0]);
    const UniqueFd write_end(ends[1]);
    child = ::fork();
    if (child < 0) return fail_errno(errno, "fork");
    if (child > 0) return read_end;
    engine::storage::FdSink sink(write_end.get());
    auto done = pack_local(sink, path, as);
    if (done) done = sink.flush();
    if (!done) std::fprintf(stderr, "%s\n", done.error().message().c_str());
    ::_exit(done ? 0 : 1);
}

Result<void> send_from(Client& client, const Place& to, int source, const Options& options) {
    const std::string url = "/containers/" + url_escape(to.container) + "/archive" +
                            Query().add("path", to.path).add("noOverwriteDirNonDir", "true")
                                .add("copyUIDGID", options.archive ? "true" : "").text();
    return client.upload(url, source, [](std::string_view) -> Result<void> { return {}; }, "PUT");
}

Result<std::uint64_t> to_container(Client& client, const std::string& from, Place to, const Options& options) {
    TRY(RemoteStat there, remote_stat(client, to));
    if (there.symlink) {
        to.path = there.target;
        TRY(there, remote_stat(client, to));
    }
    if (from == "-") {
        if (!there.folder)
            return fail(ErrorKind::invalid, "destination \"" + to.container + ":" + to.path + "\" must be a directory");
        TRY_VOID(send_from(client, to, STDIN_FILENO, options));
        return std::uint64_t{0};
    }
    std::string path = whole_path(from);
    struct stat facts {};
    if ((options.follow ? ::stat(path.c_str(), &facts) : ::lstat(path.c_str(), &facts)) != 0)
        return fail(ErrorKind::not_found, "lstat " + path + ": no such file or directory");
    if (options.follow) {
        char real[4096];
        if (::realpath(path.c_str(), real) == nullptr) return fail_errno(errno, path);
        path = real;
    }
    const bool folder = S_ISDIR(facts.st_mode);
    std::string as = engine::storage::base_name(engine::storage::absolute_path(whole_path(from)));
    if (there.exists && there.folder) {
        if (asks_for_contents(from)) as = ".";
    } else {
        if (there.exists && folder) return fail(ErrorKind::invalid, "cannot copy directory");
        if (!folder && asks_for_folder(to.path)) return fail(ErrorKind::invalid, "no such directory");
        as = engine::storage::base_name(engine::storage::absolute_path(to.path));
        to.path = parent_of(to.path);
    }
    engine::storage::CountingSink counter;
    TRY_VOID(pack_local(counter, path, as));
    pid_t child = -1;
    TRY(const UniqueFd archive, packed(path, as, child));
    auto sent = send_from(client, to, archive.get(), options);
    int status = 0;
    if (!sent) ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    TRY_VOID(std::move(sent));
    if (status != 0) return fail(ErrorKind::internal, "packing " + from + " failed");
    return counter.bytes();
}

}  // namespace

int cp_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    Options options;
    line.app.add_flag("-a,--archive", options.archive, "Archive mode (copy all uid/gid information)");
    line.app.add_flag("-L,--follow-link", options.follow, "Always follow symbol link in SRC_PATH");
    line.app.add_flag("-q,--quiet", options.quiet, "Suppress progress output during copy");
    if (const int code = line.parse(std::move(arguments), 2, 2); code >= 0) return code;
    const Place from = place_of(line.words[0]);
    const Place to = place_of(line.words[1]);
    if (from.container.empty() == to.container.empty()) {
        std::fprintf(stderr, "%s\n", from.container.empty() ? "must specify at least one container source"
                                                            : "copying between containers is not supported");
        return 1;
    }
    const auto copied = to.container.empty() ? from_container(client, from, to.path, options)
                                             : to_container(client, from.path, to, options);
    if (!copied) return report(copied.error());
    if (to.path == "-" || from.path == "-") return 0;
    return told(options, *copied, line.words[1]);
}

}  // namespace dockerc
