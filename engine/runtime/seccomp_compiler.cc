#include "engine/runtime/seccomp_compiler.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "engine/reactor/child_process.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/runtime/linux/seccomp.h"

namespace engine::runtime {
namespace {

constexpr std::size_t answer_bytes_max = std::size_t{1} << 20;  // the kernel takes 4096 instructions of 8 bytes

Task<std::string> read_answer(int fd) {
    std::string out;
    std::vector<std::byte> buffer(16 << 10);
    const std::span<std::byte> room(buffer);
    while (out.size() <= answer_bytes_max) {
        CO_TRY(const std::size_t got, co_await io::read(fd, room));
        if (got == 0) co_return out;
        out.append(reinterpret_cast<const char*>(buffer.data()), got);
    }
    co_return fail(ErrorKind::too_large, "the seccomp filter is too long");
}

}  // namespace

Task<SeccompCompiler::Filter> SeccompCompiler::filter(std::string profile, std::uint64_t capabilities) {
    std::pair<std::string, std::uint64_t> key(std::move(profile), capabilities);
    if (const auto known = entries_.find(key); known != entries_.end()) {
        const std::shared_ptr<Entry> entry = known->second;
        CO_TRY_VOID(co_await entry->ready.wait());
        if (!entry->filter) co_return fail(ErrorKind::invalid, entry->problem);
        co_return entry->filter;
    }
    if (entries_.size() >= kept_max) entries_.clear();
    const auto entry = std::make_shared<Entry>();
    entries_[key] = entry;
    std::string text = key.first;
    auto compiled = co_await compile(std::move(text), capabilities);
    if (compiled) {
        entry->filter = *compiled;
    } else {
        entry->problem = compiled.error().message();
        entries_.erase(key);
    }
    entry->ready.set();
    co_return compiled;
}

Task<SeccompCompiler::Filter> SeccompCompiler::compile(std::string profile, std::uint64_t capabilities) {
    CO_TRY(auto input, make_pipe());
    CO_TRY(auto answer, make_pipe());
    const std::vector<std::string> argv = {worker_path_, "worker", "seccomp", std::to_string(capabilities)};
    const reactor::FdMapping mappings[] = {{input.read_end.get(), 0}, {answer.write_end.get(), 1}};
    CO_TRY(auto child, reactor::ChildProcess::spawn(argv, {}, mappings));
    input.read_end.reset();
    answer.write_end.reset();
    const auto bytes = io::bytes_of(profile);
    auto written = co_await io::write_all(input.write_end.get(), bytes);
    input.write_end.reset();
    auto text = co_await read_answer(answer.read_end.get());
    if (!text) child.kill(SIGKILL);
    CO_TRY(const auto ended, co_await child.wait());
    CO_TRY_VOID(std::move(written));
    if (!text) co_return tl::unexpected<Error>(std::move(text.error()));
    if (text->starts_with('F')) co_return std::make_shared<const std::string>(text->substr(1));
    if (text->starts_with('E')) co_return fail(ErrorKind::invalid, text->substr(1));
    co_return fail(ErrorKind::internal, "compiling the seccomp profile: the process ended with status " +
                                            std::to_string(ended.signal ? 128 + ended.signal : ended.code));
}

int seccomp_worker_main(const char* capabilities) {
    std::string profile;
    char buffer[16 << 10];
    for (ssize_t got = 0; (got = ::read(0, buffer, sizeof buffer)) > 0;)
        profile.append(buffer, static_cast<std::size_t>(got));
    const auto filter = compile_seccomp(profile.empty() ? default_seccomp_profile() : profile,
                                        std::strtoull(capabilities, nullptr, 10));
    const std::string answer = filter ? "F" + *filter : "E" + filter.error().message();
    for (std::string_view left = answer; !left.empty();) {
        const ssize_t put = ::write(1, left.data(), left.size());
        if (put <= 0) return 1;
        left.remove_prefix(static_cast<std::size_t>(put));
    }
    return 0;
}

}  // namespace engine::runtime
