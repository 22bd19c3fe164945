#include "engine/runtime/log_compress.h"

#include <fcntl.h>
#include <isa-l.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <vector>

#include "engine/reactor/child_process.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr int exit_write_failed = 1;
constexpr int exit_input_broken = 2;

Task<int> run(std::string worker, const char* verb, int from, int to, reactor::StopToken stop) {
    const std::vector<std::string> argv = {std::move(worker), "worker", verb};
    const reactor::FdMapping mappings[] = {{from, 0}, {to, 1}};
    CO_TRY(auto child, reactor::ChildProcess::spawn(argv, {}, mappings));
    CO_TRY(const auto ended, co_await child.wait(stop));
    if (ended.signal != 0)
        co_return fail(ErrorKind::internal, std::string(verb) + ": the process was killed by signal " +
                                                std::to_string(ended.signal));
    co_return ended.code;
}

bool write_whole(const unsigned char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t put = ::write(1, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        data += put;
        size -= static_cast<std::size_t>(put);
    }
    return true;
}

int compress_stream() {
    auto in = std::make_unique<unsigned char[]>(buffer_bytes);
    auto out = std::make_unique<unsigned char[]>(buffer_bytes);
    auto level = std::make_unique<unsigned char[]>(ISAL_DEF_LVL1_DEFAULT);
    auto stream = std::make_unique<isal_zstream>();
    isal_deflate_init(stream.get());
    stream->gzip_flag = IGZIP_GZIP;
    stream->level = 1;
    stream->level_buf = level.get();
    stream->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    while (stream->internal_state.state != ZSTATE_END) {
        if (stream->avail_in == 0 && !stream->end_of_stream) {
            const ssize_t got = ::read(0, in.get(), buffer_bytes);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return exit_input_broken;
            stream->next_in = in.get();
            stream->avail_in = static_cast<std::uint32_t>(got);
            stream->end_of_stream = got == 0;
        }
        stream->next_out = out.get();
        stream->avail_out = buffer_bytes;
        if (isal_deflate(stream.get()) != COMP_OK) return exit_input_broken;
        if (!write_whole(out.get(), buffer_bytes - stream->avail_out)) return exit_write_failed;
    }
    return 0;
}

int decompress_stream() {
    auto in = std::make_unique<unsigned char[]>(buffer_bytes);
    auto out = std::make_unique<unsigned char[]>(buffer_bytes);
    auto state = std::make_unique<inflate_state>();
    isal_inflate_init(state.get());
    state->crc_flag = ISAL_GZIP;
    bool ended = false;
    while (state->block_state != ISAL_BLOCK_FINISH) {
        if (state->avail_in == 0 && !ended) {
            const ssize_t got = ::read(0, in.get(), buffer_bytes);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return exit_input_broken;
            state->next_in = in.get();
            state->avail_in = static_cast<std::uint32_t>(got);
            ended = got == 0;
        }
        state->next_out = out.get();
        state->avail_out = buffer_bytes;
        const int done = isal_inflate(state.get());
        const std::size_t made = buffer_bytes - state->avail_out;
        if (!write_whole(out.get(), made)) return exit_write_failed;
        if (done != ISAL_DECOMP_OK && done != ISAL_END_INPUT) return exit_input_broken;
        if (ended && made == 0 && state->block_state != ISAL_BLOCK_FINISH) return exit_input_broken;
    }
    return 0;
}

}  // namespace

Task<void> gzip_file(std::string worker, int from, int to, reactor::StopToken stop) {
    CO_TRY(const int code, co_await run(std::move(worker), "gzip", from, to, stop));
    if (code == exit_write_failed) co_return fail(ErrorKind::exhausted, "compressing a log: it cannot be written");
    if (code != 0) co_return fail(ErrorKind::internal, "compressing a log: status " + std::to_string(code));
    co_return Result<void>{};
}

Task<Unzipped> gunzip_file(std::string worker, int from, std::string directory, reactor::StopToken stop) {
    Unzipped out;
    out.fd.reset(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!out.fd) co_return fail_errno(errno, "unpacking a log in " + directory);
    CO_TRY(const int code, co_await run(std::move(worker), "gunzip", from, out.fd.get(), stop));
    if (code == exit_write_failed) co_return fail(ErrorKind::exhausted, "unpacking a log: it cannot be written");
    out.whole = code == 0;
    co_return std::move(out);
}

int log_worker_main(bool compress) {
    const sched_param lowest{0};
    ::sched_setscheduler(0, SCHED_BATCH, &lowest);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return compress ? compress_stream() : decompress_stream();
}

}  // namespace engine::runtime
