#include "tools/dockerc/registry/engine_mirror.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "engine/reactor/child_process.h"
#include "engine/reactor/io.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/registry/engine_copy.h"

namespace engine::registry {
namespace {

constexpr std::size_t answer_bytes_max = 16 << 20;  // the names of some 100,000 images

Task<std::string> read_to_end(int fd, reactor::StopToken stop) {
    std::string out;
    std::vector<std::byte> buffer(64 << 10);
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(const std::size_t got, co_await io::read(fd, room, stop));
        if (got == 0) co_return out;
        out.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (out.size() > answer_bytes_max) co_return fail(ErrorKind::too_large, "the engine names too many images");
    }
}

}  // namespace

// What it wrote. Its standard error is its error's text, its exit code the kind.
Task<std::string> EngineMirror::run(std::vector<std::string> words, reactor::StopToken stop) {
    CO_TRY(Pipe answer, make_pipe());
    CO_TRY(Pipe errors, make_pipe());
    words.insert(words.begin(), {"/proc/self/exe", "-H", engine_, "registry", dockerc::copy_command, "--root", root_});
    const reactor::FdMapping ends[] = {{answer.write_end.get(), STDOUT_FILENO},
                                       {errors.write_end.get(), STDERR_FILENO}};
    CO_TRY(auto child, reactor::ChildProcess::spawn(words, {"PATH=/usr/bin:/bin"}, ends));
    answer.write_end.reset();
    errors.write_end.reset();
    auto said = co_await read_to_end(answer.read_end.get(), stop);
    if (!said) child.kill(SIGKILL);
    auto complaint = co_await read_to_end(errors.read_end.get(), stop);
    CO_TRY(const auto ended, co_await child.wait(stop));
    if (said && ended.ok()) co_return said;
    if (!said) co_return said;
    std::string text = complaint && !complaint->empty() ? *complaint : "copying an image from the engine failed";
    while (text.ends_with('\n')) text.pop_back();
    co_return fail(ended.code == dockerc::copy_not_found ? ErrorKind::not_found : ErrorKind::internal, std::move(text));
}

Task<void> EngineMirror::bring(std::string repository, std::string tag, reactor::StopToken stop) {
    CO_TRY(const auto turn, co_await copying_.enter(stop));
    std::vector<std::string> words = {"bring", std::move(repository), std::move(tag)};
    auto done = co_await run(std::move(words), stop);
    if (!done) co_return fail(std::move(done).error());
    co_return Result<void>{};
}

Task<std::vector<EngineMirror::Name>> EngineMirror::names(reactor::StopToken stop) {
    std::vector<std::string> words = {"names"};
    CO_TRY(const std::string lines, co_await run(std::move(words), stop));
    std::vector<Name> out;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        const std::size_t space = lines.find(' ', at);
        if (space < end) out.push_back({lines.substr(at, space - at), lines.substr(space + 1, end - space - 1)});
        at = end + 1;
    }
    std::sort(out.begin(), out.end());
    co_return out;
}

}  // namespace engine::registry
