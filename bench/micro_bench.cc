// The parts that every request and every container pass through, each alone. Figures are for comparing two builds on
// one machine; docs/performance.md has the whole's.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "engine/api/request_parser.h"
#include "engine/reactor/io.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"
#include "engine/runtime/json_log_reader.h"
#include "engine/runtime/json_log_writer.h"
#include "engine/runtime/spec_json.h"
#include "engine/storage/tar_reader.h"

namespace {

using namespace engine;

// Runs `body`, which is a coroutine over the benchmark's iterations, on a loop of its own.
template <class Body>
void on_loop(benchmark::State& state, Body body) {
    auto loop = reactor::Loop::create({});
    if (!loop) return state.SkipWithError(loop.error().message().c_str());
    auto ran = (*loop)->run(body(&state));
    if (!ran) state.SkipWithError(ran.error().message().c_str());
}

Task<int> leaf() { co_return 1; }
Task<void> awaits(benchmark::State* state) {
    for ([[maybe_unused]] auto _ : *state) {
        CO_TRY(const int value, co_await leaf());
        benchmark::DoNotOptimize(value);
    }
    co_return Result<void>{};
}
void task_await(benchmark::State& state) { on_loop(state, awaits); }
BENCHMARK(task_await);

Task<void> sleeps(benchmark::State* state) {
    for ([[maybe_unused]] auto _ : *state) {
        CO_TRY_VOID(co_await reactor::sleep_for(1));
    }
    co_return Result<void>{};
}
void loop_timer_turn(benchmark::State& state) { on_loop(state, sleeps); }
BENCHMARK(loop_timer_turn);

Task<void> passes_bytes(benchmark::State* state) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) co_return fail_errno(errno, "pipe");
    const UniqueFd from(ends[0]);
    const UniqueFd to(ends[1]);
    std::byte bytes[64]{};
    for ([[maybe_unused]] auto _ : *state) {
        const std::span<std::byte> buffer(bytes);
        CO_TRY(const auto put, co_await io::write(to.get(), buffer));
        CO_TRY(const auto got, co_await io::read(from.get(), buffer));
        benchmark::DoNotOptimize(put + got);
    }
    co_return Result<void>{};
}
void loop_pipe_write_and_read(benchmark::State& state) { on_loop(state, passes_bytes); }
BENCHMARK(loop_pipe_write_and_read);

void http_parse(benchmark::State& state) {
    const std::string text =
        "POST /v1.51/containers/abc/start?detachKeys= HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: "
        "Docker-Client/28.2.2 "
        "(linux)\r\nContent-Length: 0\r\nContent-Type: text/plain\r\n\r\n";
    api::Request request;
    api::RequestParser parser(&request);
    for ([[maybe_unused]] auto _ : state) {
        std::string_view input = text;
        while (!input.empty()) {
            std::size_t consumed = 0;
            if (parser.step(input, consumed) == api::ParseStep::bad) return state.SkipWithError("not HTTP");
            input.remove_prefix(consumed);
        }
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(http_parse);

constexpr std::string_view create_body =
    R"({"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,)"
    R"("Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=b"],"Cmd":["true"],"Image":"busybox","Volumes":{},)"
    R"("WorkingDir":"","Entrypoint":null,"Labels":{"a":"b"},)"
    R"("HostConfig":{"Binds":null,"NetworkMode":"none","AutoRemove":false,)"
    R"("RestartPolicy":{"Name":"no","MaximumRetryCount":0},"Memory":0,"ShmSize":0},"NetworkingConfig":{}})";

void json_create_body(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        auto spec = runtime::parse_create_body(create_body);
        if (!spec) return state.SkipWithError(spec.error().message().c_str());
        benchmark::DoNotOptimize(spec);
    }
}
BENCHMARK(json_create_body);

void json_write_host_config(benchmark::State& state) {
    const auto spec = runtime::parse_create_body(create_body);
    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(runtime::complete_host_config(*spec));
}
BENCHMARK(json_write_host_config);

// What one read of a busy container's pipe brings: 79-byte lines.
std::string log_lines() {
    std::string out;
    while (out.size() < 128 * 1024) out += std::string(78, 'x') + "\n";
    return out;
}
std::string log_records(const std::string& lines) {
    runtime::JsonLogEncoder encoder;
    std::string out;
    for (std::string_view left = lines; !left.empty();) {
        const std::size_t size = left.find('\n');
        encoder.line(runtime::LogStream::stdout_, left.substr(0, size), true, 1'700'000'000'123'456'789, out);
        left.remove_prefix(size + 1);
    }
    return out;
}
void log_encode(benchmark::State& state) {
    const std::string lines = log_lines();
    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(log_records(lines));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(lines.size()));
}
BENCHMARK(log_encode);

void log_decode(benchmark::State& state) {
    const std::string lines = log_lines();
    const std::string text = log_records(lines);
    for ([[maybe_unused]] auto _ : state) {
        runtime::JsonLogDecoder decoder;
        runtime::LogEntry entry;
        std::size_t bytes = 0;
        for (std::string_view left = text; decoder.next(left, entry);) bytes += entry.text.size();
        benchmark::DoNotOptimize(bytes);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(lines.size()));
}
BENCHMARK(log_decode);

// An archive of empty files.
std::string tar_of_headers(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        char block[512] = {};
        std::snprintf(block, 100, "folder/file-%d", i);
        std::snprintf(block + 100, 8, "%07o", 0644);
        std::snprintf(block + 108, 8, "%07o", 0);
        std::snprintf(block + 116, 8, "%07o", 0);
        std::snprintf(block + 124, 12, "%011o", 0);
        std::snprintf(block + 136, 12, "%011o", 1'700'000'000);
        block[156] = '0';
        std::memcpy(block + 257, "ustar\00000", 8);
        std::memset(block + 148, ' ', 8);
        unsigned sum = 0;
        for (const char c : block) sum += static_cast<unsigned char>(c);
        std::snprintf(block + 148, 8, "%06o", sum);
        out.append(block, sizeof block);
    }
    return out.append(1024, '\0');
}

class TextSource : public storage::BlockingSource {
public:
    explicit TextSource(std::string_view text) : text_(text) {}
    Result<std::size_t> read(std::span<char> into) override {
        const std::size_t size = std::min(into.size(), text_.size());
        std::memcpy(into.data(), text_.data(), size);
        text_.remove_prefix(size);
        return size;
    }

private:
    std::string_view text_;
};

void tar_headers(benchmark::State& state) {
    constexpr int count = 1000;
    const std::string archive = tar_of_headers(count);
    for ([[maybe_unused]] auto _ : state) {
        TextSource source(archive);
        storage::TarReader reader(source);
        storage::TarEntry entry;
        int found = 0;
        while (true) {
            const auto more = reader.next(entry);
            if (!more) return state.SkipWithError(more.error().message().c_str());
            if (!*more) break;
            ++found;
        }
        if (found != count) return state.SkipWithError("entries are missing");
    }
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(tar_headers);

}  // namespace

BENCHMARK_MAIN();
