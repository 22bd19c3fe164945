#include "engine/api/container_files_api.h"

#include <simdjson.h>
#include <sys/stat.h>

#include "engine/api/base64.h"
#include "engine/api/body.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_files.h"
#include "engine/runtime/go_time.h"
#include "engine/storage/container_archive.h"
#include "engine/storage/reference.h"

namespace engine::api {
namespace {

// Go's os.FileMode.
std::uint32_t go_mode(std::uint32_t mode) {
    std::uint32_t out = mode & 0777;
    if (S_ISDIR(mode)) out |= 1U << 31;
    if (S_ISLNK(mode)) out |= 1U << 27;
    if (S_ISBLK(mode) || S_ISCHR(mode)) out |= 1U << 26;
    if (S_ISFIFO(mode)) out |= 1U << 25;
    if (S_ISSOCK(mode)) out |= 1U << 24;
    if ((mode & S_ISUID) != 0) out |= 1U << 23;
    if ((mode & S_ISGID) != 0) out |= 1U << 22;
    if (S_ISCHR(mode)) out |= 1U << 21;
    if ((mode & S_ISVTX) != 0) out |= 1U << 20;
    return out;
}

void add_stat(Response& response, const storage::PathStat& stat) {
    json::Writer w;
    w.begin_object().field("name", stat.name).field("size", stat.size).field("mode", go_mode(stat.mode));
    w.field("mtime", runtime::rfc3339_nano(stat.mtime_seconds * second + stat.mtime_nanoseconds));
    w.field("linkTarget", stat.link_target).end_object();
    response.add_header("X-Docker-Container-Path-Stat", base64_of(w.text()));
}

Result<std::string> path_of(const Request& request) {
    std::string path(request.parameter("path"));
    if (path.empty()) return fail(ErrorKind::invalid, "bad parameter: 'path' cannot be empty");
    return path;
}

Task<void> send_archive(Services& services, runtime::ContainerFiles::Archive archive, std::string_view type,
                        reactor::StopToken stop, Response& response) {
    CO_TRY_VOID(co_await response.begin(200, type));
    auto sent = co_await services.files->stream(archive.get(), &response, stop);
    co_return sent;
}

}  // namespace

Task<void> stat_archive(Services& services, Request& request, Response& response) {
    CO_TRY(std::string path, path_of(request));
    const std::string_view reference = request.captures[0];
    CO_TRY(const auto stat, co_await services.files->stat(reference, std::move(path), request.stop));
    add_stat(response, stat);
    auto sent = co_await response.send_empty(200);
    co_return sent;
}

Task<void> get_archive(Services& services, Request& request, Response& response) {
    CO_TRY(std::string path, path_of(request));
    const std::string_view reference = request.captures[0];
    CO_TRY(auto archive, co_await services.files->pack(reference, std::move(path), "archive-path", request.stop));
    CO_TRY(const auto stat, runtime::ContainerFiles::stat_of(*archive));
    add_stat(response, stat);
    auto sent = co_await send_archive(services, std::move(archive), "application/x-tar", request.stop, response);
    co_return sent;
}

Task<void> put_archive(Services& services, Request& request, Response& response) {
    runtime::ExtractRequest extract;
    CO_TRY(extract.path, path_of(request));
    extract.keep_types = request.flag("noOverwriteDirNonDir");
    extract.as_its_user = request.flag("copyUIDGID");
    const std::string_view reference = request.captures[0];
    auto done = co_await services.files->extract(reference, std::move(extract), request.body, request.stop);
    if (!done) {
        CO_TRY_VOID(co_await hear_out(request.body));
        co_return fail(std::move(done).error());
    }
    auto sent = co_await response.send_empty(200);
    co_return sent;
}

// The way before API 1.20.
Task<void> copy_from_container(Services& services, Request& request, Response& response) {
    CO_TRY(const std::string body, co_await read_whole_body(request));
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::string_view resource;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS)
        co_return fail(ErrorKind::invalid, "invalid JSON: the body cannot be parsed");
    if (root["Resource"].get(resource) != simdjson::SUCCESS || resource.empty())
        co_return fail(ErrorKind::invalid, "Path cannot be empty");
    std::string path(resource);
    const std::string_view reference = request.captures[0];
    CO_TRY(auto archive, co_await services.files->pack(reference, std::move(path), "copy", request.stop));
    auto sent = co_await send_archive(services, std::move(archive), "application/x-tar", request.stop, response);
    co_return sent;
}

Task<void> export_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY(auto archive, co_await services.files->export_all(reference, request.stop));
    auto sent =
        co_await send_archive(services, std::move(archive), "application/octet-stream", request.stop, response);
    co_return sent;
}

Task<void> container_changes(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY(std::string answer, co_await services.files->changes(reference, request.stop));
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> commit_container(Services& services, Request& request, Response& response) {
    runtime::CommitRequest commit;
    CO_TRY(commit.config, co_await read_whole_body(request));
    const std::string container(request.parameter("container"));
    for (const auto& [name, value] : request.query)
        if (name == "changes") commit.changes.push_back(value);
    commit.author = request.parameter("author");
    commit.comment = request.parameter("comment");
    commit.pause = request.flag("pause", true);
    const std::string repo(request.parameter("repo"));
    const std::string tag(request.parameter("tag"));
    if (!repo.empty()) {
        CO_TRY(auto reference, storage::parse_reference(repo));
        if (!reference.digest.empty() || !reference.tag.empty())
            co_return fail(ErrorKind::invalid, "unexpected repository name: " + repo);
        if (!tag.empty() && !storage::is_tag(tag)) co_return fail(ErrorKind::invalid, "invalid tag format");
        reference.tag = tag;
        commit.reference = storage::with_default_tag(std::move(reference)).text();
    }
    CO_TRY(const std::string id, co_await services.files->commit(container, std::move(commit), request.stop));
    json::Writer w;
    w.begin_object().field("Id", id).end_object();
    std::string answer = w.take();
    auto sent = co_await response.send_json(201, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
