#include "tools/dockerc/registry/content_store.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "engine/reactor/try.h"

namespace engine::registry {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::kernel, "open " + path);
    std::string out;
    char buffer[16384];
    while (true) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0) return fail_errno(errno, "read " + path);
        if (got == 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
    }
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        out.push_back(at->path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
}

std::string hex_of(const std::string& digest) {
    return digest.substr(7);
}

bool is_part(std::string_view part) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (part.empty() || !plain(part.front()) || !plain(part.back())) return false;
    for (std::size_t i = 0; i < part.size(); i++) {
        if (plain(part[i])) continue;
        if (part[i] != '.' && part[i] != '_' && part[i] != '-') return false;
        const bool again = part[i + 1] == part[i];
        if (part[i] == '.' && !plain(part[i + 1])) return false;
        if (part[i] == '_' && !plain(part[i + 1]) && !(again && plain(part[i + 2]))) return false;
        if (part[i] == '_' && again) i++;
        if (part[i] == '-' && !plain(part[i + 1]) && !again) return false;
    }
    return true;
}

}  // namespace

bool is_repository_name(std::string_view name) {
    if (name.empty() || name.size() > 255) return false;
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        if (!is_part(name.substr(begin, end - begin))) return false;
        begin = end + 1;
    }
    return true;
}

Result<ContentStore> ContentStore::open(std::string root) {
    for (const char* folder : {"/blobs/sha256", "/uploads", "/repositories"}) {
        std::error_code error;
        fs::create_directories(root + folder, error);
        if (error) return fail_errno(error.value(), "create " + root + folder);
    }
    return ContentStore(std::move(root));
}

Result<ContentStore::Blob> ContentStore::blob(const std::string& repository, const std::string& digest) const {
    if (!exists(home(repository) + "/_blobs/" + hex_of(digest)))
        return fail(ErrorKind::not_found, "blob unknown to registry");
    Blob out;
    out.fd.reset(::open(blob_path(digest).c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts {};
    if (!out.fd || ::fstat(out.fd.get(), &facts) != 0) return fail(ErrorKind::not_found, "blob unknown to registry");
    out.size = static_cast<std::uint64_t>(facts.st_size);
    return out;
}

bool ContentStore::has_blob(const std::string& digest) const {
    return exists(blob_path(digest));
}

Result<void> ContentStore::write_file(const std::string& path, std::string_view text) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    const std::string fresh = root_ + "/uploads/.file-" + std::to_string(++written_);
    {
        const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!fd) return fail_errno(errno, "create " + fresh);
        while (!text.empty()) {
            const ssize_t put = ::write(fd.get(), text.data(), text.size());
            if (put < 0) return fail_errno(errno, "write " + fresh);
            text.remove_prefix(static_cast<std::size_t>(put));
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno(errno, "rename to " + path);
    return {};
}

Result<void> ContentStore::link_blob(const std::string& repository, const std::string& digest) const {
    const std::string folder = home(repository) + "/_blobs";
    std::error_code error;
    fs::create_directories(folder, error);
    const UniqueFd fd(::open((folder + "/" + hex_of(digest)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return fail_errno(errno, "keep a blob in " + repository);
    return {};
}

Result<void> ContentStore::unlink_blob(const std::string& repository, const std::string& digest) const {
    if (::unlink((home(repository) + "/_blobs/" + hex_of(digest)).c_str()) != 0)
        return fail(ErrorKind::not_found, "blob unknown to registry");
    if (!is_held(digest)) ::unlink(blob_path(digest).c_str());
    return {};
}

Result<std::string> ContentStore::begin_upload() {
    std::uint8_t random[16];
    if (::getrandom(random, sizeof random, 0) != sizeof random) return fail_errno(errno, "getrandom");
    std::string id = storage::to_hex(random);
    const UniqueFd fd(::open((root_ + "/uploads/" + id).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd) return fail_errno(errno, "begin an upload");
    return id;
}

Result<ContentStore::Upload> ContentStore::upload(const std::string& id) const {
    Upload out;
    if (id.size() == 32 && storage::is_hex(id))
        out.fd.reset(::open((root_ + "/uploads/" + id).c_str(), O_RDWR | O_CLOEXEC));
    struct stat facts {};
    if (!out.fd || ::fstat(out.fd.get(), &facts) != 0)
        return fail(ErrorKind::not_found, "blob upload unknown to registry");
    out.size = static_cast<std::uint64_t>(facts.st_size);
    return out;
}

Result<void> ContentStore::finish_upload(const std::string& id, const std::string& repository,
                                         const std::string& digest) {
    if (::rename((root_ + "/uploads/" + id).c_str(), blob_path(digest).c_str()) != 0)
        return fail_errno(errno, "keep a blob");
    return link_blob(repository, digest);
}

void ContentStore::cancel_upload(const std::string& id) const {
    ::unlink((root_ + "/uploads/" + id).c_str());
}

Result<ContentStore::Manifest> ContentStore::manifest(const std::string& repository,
                                                      const std::string& reference) const {
    Manifest out;
    out.digest = reference;
    if (!storage::is_digest(reference)) {
        auto named = read_file(home(repository) + "/_tags/" + reference);
        if (!named) return fail(ErrorKind::not_found, "manifest unknown");
        out.digest = std::move(*named);
    }
    auto type = read_file(home(repository) + "/_manifests/" + hex_of(out.digest));
    if (!type) return fail(ErrorKind::not_found, "manifest unknown");
    out.media_type = std::move(*type);
    TRY(out.body, read_file(blob_path(out.digest)));
    return out;
}

Result<void> ContentStore::put_manifest(const std::string& repository, const std::string& tag,
                                        const Manifest& manifest) {
    TRY_VOID(write_file(blob_path(manifest.digest), manifest.body));
    TRY_VOID(write_file(home(repository) + "/_manifests/" + hex_of(manifest.digest), manifest.media_type));
    return tag.empty() ? Result<void>() : write_file(home(repository) + "/_tags/" + tag, manifest.digest);
}

Result<void> ContentStore::put_referrer(const std::string& repository, const std::string& subject,
                                        const std::string& digest, const std::string& descriptor) {
    return write_file(home(repository) + "/_referrers/" + hex_of(subject) + "/" + hex_of(digest), descriptor);
}

Result<void> ContentStore::delete_manifest(const std::string& repository, const std::string& reference) {
    if (!storage::is_digest(reference)) {
        if (::unlink((home(repository) + "/_tags/" + reference).c_str()) != 0)
            return fail(ErrorKind::not_found, "manifest unknown");
        return {};
    }
    if (::unlink((home(repository) + "/_manifests/" + hex_of(reference)).c_str()) != 0)
        return fail(ErrorKind::not_found, "manifest unknown");
    for (const std::string& tag : tags(repository)) {
        const auto named = read_file(home(repository) + "/_tags/" + tag);
        if (named && *named == reference) ::unlink((home(repository) + "/_tags/" + tag).c_str());
    }
    for (const std::string& subject : names_in(home(repository) + "/_referrers"))
        ::unlink((home(repository) + "/_referrers/" + subject + "/" + hex_of(reference)).c_str());
    if (!is_held(reference)) ::unlink(blob_path(reference).c_str());
    return {};
}

std::vector<std::string> ContentStore::referrers(const std::string& repository, const std::string& subject) const {
    std::vector<std::string> out;
    const std::string folder = home(repository) + "/_referrers/" + hex_of(subject);
    for (const std::string& name : names_in(folder))
        if (auto text = read_file(folder + "/" + name)) out.push_back(std::move(*text));
    return out;
}

bool ContentStore::has_repository(const std::string& repository) const {
    return exists(home(repository) + "/_manifests") || exists(home(repository) + "/_blobs");
}

std::vector<std::string> ContentStore::tags(const std::string& repository) const {
    return names_in(home(repository) + "/_tags");
}

bool ContentStore::is_held(const std::string& digest) const {
    for (const char* folder : {"_blobs", "_manifests"})
        for (const std::string& repository : repositories_with(folder))
            if (exists(home(repository) + "/" + folder + "/" + hex_of(digest))) return true;
    return false;
}

std::vector<std::string> ContentStore::repositories() const {
    return repositories_with("_manifests");
}

std::vector<std::string> ContentStore::repositories_with(const char* folder) const {
    std::vector<std::string> out;
    const std::string top = root_ + "/repositories";
    std::error_code error;
    for (fs::recursive_directory_iterator at(top, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (!name.starts_with('_')) continue;
        at.disable_recursion_pending();
        if (name == folder) out.push_back(at->path().parent_path().string().substr(top.size() + 1));
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace engine::registry
