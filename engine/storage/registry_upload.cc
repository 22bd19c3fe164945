#include "engine/storage/registry_upload.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/digest.h"
#include "engine/storage/limits.h"
#include "engine/storage/registry_records.h"

namespace engine::storage {
namespace {

Result<std::string> begin_upload(RegistryClient& client, const RegistryJob& job) {
    HttpCall begin;
    begin.method = "POST";
    begin.headers = {"Content-Type: application/octet-stream"};
    TRY(const auto answer, client.call(begin, "/v2/" + job.repository + "/blobs/uploads/", "pull,push"));
    if (answer.status != 202) return fail(client.refusal(answer, "POST"));
    const std::string location = answer.header("location");
    if (location.empty()) return fail(ErrorKind::invalid, "the registry names no place for an upload");
    return location;
}

std::string with_digest(const std::string& location, const std::string& digest) {
    return location + (location.find('?') == std::string::npos ? "?" : "&") + "digest=" + url_escape(digest);
}

// How much of an upload has come ("0-499": 500 bytes), and where it goes on; fails when the registry does not say.
struct Resumable {
    std::string location;
    int64_t held = 0;
};
Result<Resumable> ask_upload(RegistryClient& client, const std::string& location) {
    HttpCall ask;
    TRY(const auto answer, client.call(ask, location, "pull,push"));
    const std::string range = answer.header("range");
    const size_t dash = range.find('-');
    int64_t last = 0;
    if (answer.status != 204 || dash == std::string::npos ||
        std::from_chars(range.data() + dash + 1, range.data() + range.size(), last).ec != std::errc())
        return fail(client.refusal(answer, "GET"));
    const std::string next = answer.header("location");
    // "0-0" is what registries say of nothing and of one byte.
    return Resumable{next.empty() ? location : next, last == 0 ? 0 : last + 1};
}

// A file is sent whole in one PUT, its digest being known; after a cut what is missing in a PATCH, where the registry
// says how far it came. A stream is one PATCH, then named; its second try is the engine's.
class Upload {
public:
    Upload(RegistryClient& client, const RegistryJob& job) : client_(client), job_(job) {}
    Result<std::string> run();

private:
    Result<std::string> send_file(int64_t size);
    Result<HttpAnswer> send_rest(const std::string& location, int64_t from, int64_t size);
    Result<Resumable> place_after_cut(const Resumable& before);
    Result<std::string> send_stream();
    Result<size_t> next(std::span<char> room);
    Result<HttpAnswer> send(HttpCall call, const std::string& location);
    Result<HttpAnswer> name(const std::string& location, const std::string& digest);

    RegistryClient& client_;
    const RegistryJob& job_;
    Sha256 hash_;
    int64_t sent_ = 0;
    ProgressTeller teller_;
};

Result<size_t> Upload::next(std::span<char> room) {
    ssize_t got = 0;
    do got = ::read(0, room.data(), room.size());
    while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno(errno, "read the layer");
    hash_.update(room.data(), static_cast<size_t>(got));
    sent_ += got;
    teller_.now_at(sent_);
    return static_cast<size_t>(got);
}

Result<HttpAnswer> Upload::send(HttpCall call, const std::string& location) {
    call.headers.push_back("Content-Type: application/octet-stream");
    call.upload = [this](std::span<char> room) { return next(room); };
    return client_.call(std::move(call), location, "pull,push");
}

Result<HttpAnswer> Upload::name(const std::string& location, const std::string& digest) {
    HttpCall call;
    call.method = "PUT";
    call.headers = {"Content-Type: application/octet-stream"};
    return client_.call(call, with_digest(location, digest), "pull,push");
}

Result<HttpAnswer> Upload::send_rest(const std::string& location, int64_t from, int64_t size) {
    if (::lseek(0, from, SEEK_SET) != from) return fail_errno(errno, "read the layer again");
    ignore_result(hash_.finish(), "of an earlier try");
    sent_ = from;
    HttpCall call;
    call.method = from == 0 ? "PUT" : "PATCH";
    call.upload_size = size - from;
    if (from == 0) {
        TRY(auto answer, send(std::move(call), with_digest(location, job_.digest)));
        if (hash_.finish() != job_.digest && answer.status < 300)
            return fail(ErrorKind::internal, "the layer kept is not what its digest says");
        return answer;
    }
    std::string place = location;
    if (from < size) {
        call.headers = {"Content-Range: " + std::to_string(from) + "-" + std::to_string(size - 1)};
        TRY(auto answer, send(std::move(call), location));
        if (answer.status != 202 && answer.status != 204) return answer;
        if (const std::string moved = answer.header("location"); !moved.empty()) place = moved;
    }
    return name(place, job_.digest);
}

// Where the registry does not know the upload any more it begins anew.
Result<Resumable> Upload::place_after_cut(const Resumable& before) {
    if (auto held = ask_upload(client_, before.location)) return held;
    TRY(std::string location, begin_upload(client_, job_));
    return Resumable{std::move(location), 0};
}

Result<std::string> Upload::send_file(int64_t size) {
    Resumable place;
    TRY(place.location, begin_upload(client_, job_));
    for (int attempt = 0;; attempt++) {
        auto answer = send_rest(place.location, std::min(place.held, size), size);
        const bool passing =
            answer ? answer->status >= 500 || answer->status == 429 : answer.error().kind() == ErrorKind::unavailable;
        if (passing && attempt + 1 < limits::registry_attempts_max) {
            pause_before_retry(attempt);
            if (auto next_place = place_after_cut(place)) place = std::move(*next_place);
            continue;
        }
        if (!answer) return fail(std::move(answer).error());
        if (answer->status != 201 && answer->status != 204) return fail(client_.refusal(*answer, "PUT"));
        return job_.digest;
    }
}

Result<std::string> Upload::send_stream() {
    TRY(const std::string location, begin_upload(client_, job_));
    HttpCall call;
    call.method = "PATCH";
    TRY(const auto sent, send(std::move(call), location));
    if (sent.status != 202 && sent.status != 204) return fail(client_.refusal(sent, "PATCH"));
    std::string digest = hash_.finish();
    const std::string moved = sent.header("location");
    TRY(const auto named, name(moved.empty() ? location : moved, digest));
    if (named.status != 201 && named.status != 204) return fail(client_.refusal(named, "PUT"));
    return digest;
}

Result<std::string> Upload::run() {
    struct stat file {};
    const bool whole = ::fstat(0, &file) == 0 && S_ISREG(file.st_mode) && is_digest(job_.digest);
    TRY(const std::string digest, whole ? send_file(file.st_size) : send_stream());
    tell_progress(sent_);
    json::Writer w;
    return w.begin_object().field("digest", digest).field("size", sent_).end_object().take();
}

}  // namespace

Result<std::string> upload(RegistryClient& client, const RegistryJob& job) {
    return Upload(client, job).run();
}

Result<void> put_small_blob(RegistryClient& client, const RegistryJob& job, const std::string& bytes) {
    const std::string digest = sha256_of(bytes);
    HttpCall look;
    look.method = "HEAD";
    TRY(const auto there, client.call(look, "/v2/" + job.repository + "/blobs/" + digest, "pull,push"));
    if (there.status == 200) return {};
    TRY(const std::string location, begin_upload(client, job));
    HttpCall call;
    call.method = "PUT";
    call.headers = {"Content-Type: application/octet-stream"};
    call.body = bytes;
    TRY(const auto answer, client.call(call, with_digest(location, digest), "pull,push"));
    if (answer.status != 201 && answer.status != 204) return fail(client.refusal(answer, "PUT"));
    return {};
}

}  // namespace engine::storage
