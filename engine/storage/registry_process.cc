#include "engine/storage/registry_process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <csignal>

#include "engine/reactor/child_process.h"
#include "engine/reactor/io.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/storage/archive_load.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

// In memory, so that neither side waits for the other.
Result<UniqueFd> job_file(const RegistryJob& job) {
    const std::string text = encode_job(job);
    UniqueFd fd(::memfd_create("registry-job", MFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "memfd_create");
    for (size_t at = 0; at < text.size();) {
        const ssize_t put = ::write(fd.get(), text.data() + at, text.size() - at);
        if (put < 0) return fail_errno(errno, "write the registry job");
        at += static_cast<size_t>(put);
    }
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "rewind the registry job");
    return fd;
}

// True when the line was progress: {"current":n} or {"retry":n}.
bool hear(std::string_view line, RegistryProgress* progress) {
    for (const std::string_view key : {"{\"current\":", "{\"retry\":"}) {
        if (!line.starts_with(key)) continue;
        const auto number = line.substr(key.size());
        int64_t value = 0;
        const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
        if (parsed.ec != std::errc() || progress == nullptr) return true;
        if (key[2] == 'c')
            progress->current(value);
        else
            progress->retry(value);
        return true;
    }
    return false;
}

// The last line that is no progress.
Task<std::string> listen(int fd, RegistryProgress* progress, reactor::StopToken stop) {
    std::string pending;
    std::string answer;
    std::vector<std::byte> buffer(64 << 10);
    while (true) {
        const std::span<std::byte> room(buffer);
        CO_TRY(const std::size_t got, co_await io::read(fd, room, stop));
        if (got == 0) co_return answer;
        pending.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (pending.size() > limits::worker_result_bytes_max)
            co_return fail(ErrorKind::too_large, "the registry process answers too much");
        size_t begin = 0;
        for (size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
            const std::string_view line = std::string_view(pending).substr(begin, end - begin);
            if (!hear(line, progress)) answer = line;
        }
        pending.erase(0, begin);
    }
}

}  // namespace

Task<std::string> run_registry(std::string helper, std::string verb, const RegistryJob& job, UniqueFd input,
                               UniqueFd output, RegistryProgress* progress, reactor::StopToken stop) {
    CO_TRY(UniqueFd job_fd, job_file(job));
    CO_TRY(Pipe answer, make_pipe());
    std::vector<reactor::FdMapping> mappings = {{answer.write_end.get(), registry_answer_fd},
                                                {job_fd.get(), registry_job_fd}};
    if (input) mappings.push_back({input.get(), 0});
    if (output) mappings.push_back({output.get(), 1});
    const std::vector<std::string> argv = {helper, verb};
    CO_TRY(auto child, reactor::ChildProcess::spawn(argv, {}, mappings));
    job_fd.reset();
    input.reset();
    output.reset();
    answer.write_end.reset();
    auto heard = co_await listen(answer.read_end.get(), progress, stop);
    if (!heard) child.kill(SIGKILL);
    CO_TRY(const auto status, co_await child.wait());
    CO_TRY(std::string record, std::move(heard));
    if (record.empty())
        co_return fail(ErrorKind::internal, "dockercd-registry " + verb + " ended without an answer (" +
                                                (status.signal ? "signal " + std::to_string(status.signal)
                                                               : "exit code " + std::to_string(status.code)) +
                                                ")");
    CO_TRY_VOID(error_of(record));
    co_return record;
}

}  // namespace engine::storage
