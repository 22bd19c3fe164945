#include "engine/storage/worker_job.h"

#include <fcntl.h>

#include <csignal>

#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/limits.h"
#include "engine/storage/rootfs_view.h"
#include "engine/storage/worker.h"

namespace engine::storage {
namespace {

constexpr int pipe_bytes = 1 << 20;
constexpr std::size_t stream_bytes = 256 << 10;

struct Pipe {
    UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

Result<WorkerJob> WorkerJob::start(const Start& how) {
    TRY(auto input, make_pipe());
    TRY(auto result, make_pipe());
    std::vector<reactor::FdMapping> mappings = {{input.read_end.get(), 0},
                                                {result.write_end.get(), worker_result_fd}};
    Pipe output;
    if (how.output) {
        TRY(output, make_pipe());
        ::fcntl(output.read_end.get(), F_SETPIPE_SZ, pipe_bytes);  // refused to the unprivileged at their limit: slower
        mappings.push_back({output.write_end.get(), 1});
    } else {
        ::fcntl(input.write_end.get(), F_SETPIPE_SZ, pipe_bytes);
    }
    if (how.process_fd >= 0) mappings.push_back({how.process_fd, view_process_fd});
    std::vector<std::string> argv = {how.worker_path, "worker"};
    argv.insert(argv.end(), how.arguments.begin(), how.arguments.end());
    TRY(auto child, reactor::ChildProcess::spawn(argv, {}, mappings));
    WorkerJob job(std::move(child));
    job.verb_ = how.arguments.front();
    job.input_ = std::move(input.write_end);
    job.result_ = std::move(result.read_end);
    job.output_ = std::move(output.read_end);
    return job;
}

Task<void> WorkerJob::feed(ByteSource* body, reactor::StopToken stop) {
    std::vector<std::byte> buffer(stream_bytes);
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(const std::size_t got, co_await body->read(room));
        if (got == 0) break;
        const std::span<const std::byte> bytes = room.first(got);
        auto written = co_await io::write_all(input_.get(), bytes, stop);
        if (!written && written.error().error_number() == EPIPE) break;  // the worker has said why
        if (!written) co_return fail(std::move(written).error());
    }
    input_.reset();
    co_return Result<void>{};
}

Task<void> WorkerJob::feed_text(std::string text, reactor::StopToken stop) {
    const auto bytes = io::bytes_of(text);
    auto written = co_await io::write_all(input_.get(), bytes, stop);
    input_.reset();
    if (!written && written.error().error_number() != EPIPE) co_return fail(std::move(written).error());
    co_return Result<void>{};
}

Task<void> WorkerJob::read_results(bool one_record, reactor::StopToken stop) {
    std::byte piece[4096];
    const std::span<std::byte> room(piece);
    while (!one_record || said_.find('\n') == std::string::npos) {
        CO_TRY(const std::size_t got, co_await io::read(result_.get(), room, stop));
        if (got == 0) break;
        said_.append(reinterpret_cast<const char*>(piece), got);
        if (said_.size() > limits::worker_result_bytes_max)
            co_return fail(ErrorKind::too_large, "the worker's answer is too long");
    }
    co_return Result<void>{};
}

// Its end, and the error that it tells last or that its end is.
Task<void> WorkerJob::finish() {
    CO_TRY(const auto status, co_await child_.wait());
    if (!said_.empty()) {
        CO_TRY_VOID(error_of(said_));
    }
    if (!status.ok())
        co_return fail(ErrorKind::internal,
                       "worker " + verb_ + " ended " +
                           (status.signal ? "with signal " + std::to_string(status.signal)
                                          : "with exit code " + std::to_string(status.code)));
    co_return Result<void>{};
}

Task<std::string> WorkerJob::record(reactor::StopToken stop) {
    CO_TRY_VOID(co_await read_results(true, stop));
    const std::size_t end = said_.find('\n');
    if (end == std::string::npos) {  // died, or had nothing to say
        CO_TRY_VOID(co_await finish());
        co_return fail(ErrorKind::internal, "worker " + verb_ + " ended without an answer");
    }
    std::string out = said_.substr(0, end);
    said_.erase(0, end + 1);
    co_return out;
}

Task<void> WorkerJob::stream_to(ByteSink* sink, reactor::StopToken stop) {
    std::vector<std::byte> buffer(stream_bytes);
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(const std::size_t got, co_await io::read(output_.get(), room, stop));
        if (got == 0) break;
        const std::span<const std::byte> bytes = room.first(got);
        CO_TRY_VOID(co_await sink->write(bytes));
    }
    CO_TRY_VOID(co_await read_results(false, stop));
    auto ended = co_await finish();
    co_return ended;
}

}  // namespace engine::storage
