#include "engine/storage/worker_job.h"

#include <csignal>

#include "engine/reactor/io.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/limits.h"
#include "engine/storage/rootfs_view.h"
#include "engine/storage/worker.h"

namespace engine::storage {
namespace {

constexpr std::size_t stream_bytes = 256 << 10;
constexpr std::size_t result_bytes = 64 << 10;  // read at once

}  // namespace

Result<WorkerJob> WorkerJob::start(const Start& how) {
    const bool fed = how.input_fd < 0;
    Pipe input;
    Pipe output;
    TRY(auto result, make_pipe());
    std::vector<reactor::FdMapping> mappings = {{result.write_end.get(), worker_result_fd}};
    if (fed) {
        TRY(input, make_pipe(how.output ? 0 : limits::layer_pipe_bytes));
    }
    mappings.push_back({fed ? input.read_end.get() : how.input_fd, 0});
    if (how.output) {
        TRY(output, make_pipe(limits::layer_pipe_bytes));
    }
    if (how.output || how.output_fd >= 0)
        mappings.push_back({how.output ? output.write_end.get() : how.output_fd, 1});
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

// Its end is waited for on the ring: one with much memory takes a while to go.
Task<void> WorkerJob::give_up() {
    if (child_.reaped()) co_return Result<void>{};
    child_.kill(SIGKILL);
    auto ended = co_await child_.wait();
    ignore_result(ended, "killed because of a failure, which is what is told");
    co_return Result<void>{};
}

Task<void> WorkerJob::feed(ByteSource* body, reactor::StopToken stop) {
    auto fed = co_await pass_on(body, stop);
    input_.reset();
    if (!fed) {
        CO_TRY_VOID(co_await give_up());
    }
    co_return fed;
}

Task<void> WorkerJob::pass_on(ByteSource* body, reactor::StopToken stop) {
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
    co_return Result<void>{};
}

Task<void> WorkerJob::feed_text(std::string text, reactor::StopToken stop) {
    const auto bytes = io::bytes_of(text);
    auto written = co_await io::write_all(input_.get(), bytes, stop);
    input_.reset();
    if (written || written.error().error_number() == EPIPE) co_return Result<void>{};  // the worker has said why
    CO_TRY_VOID(co_await give_up());
    co_return fail(std::move(written).error());
}

Task<void> WorkerJob::read_results(bool one_record, reactor::StopToken stop) {
    std::vector<std::byte> buffer(result_bytes);
    const std::span<std::byte> room(buffer);
    while (!one_record || said_.find('\n') == std::string::npos) {
        CO_TRY(const std::size_t got, co_await io::read(result_.get(), room, stop));
        if (got == 0) break;
        said_.append(reinterpret_cast<const char*>(buffer.data()), got);
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
    auto said = co_await read_record(stop);
    if (!said) {
        CO_TRY_VOID(co_await give_up());
    }
    co_return said;
}

Task<std::string> WorkerJob::read_record(reactor::StopToken stop) {
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
    auto sent = co_await copy_output(sink, stop);
    if (!sent) {
        CO_TRY_VOID(co_await give_up());
    }
    co_return sent;
}

Task<void> WorkerJob::copy_output(ByteSink* sink, reactor::StopToken stop) {
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
