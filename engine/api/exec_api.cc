#include "engine/api/exec_api.h"

#include <algorithm>
#include <charconv>

#include "engine/api/body.h"
#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container.h"
#include "engine/runtime/exec_body.h"
#include "engine/runtime/exec_service.h"
#include "engine/runtime/multiplexed_frame.h"

namespace engine::api {
namespace {

using runtime::Exec;
using runtime::ExecStatus;

constexpr ApiVersion console_sizes_since{1, 42};

// dockerd takes JSON by its label only.
Result<void> check_json(const Request& request) {
    const std::string_view type = request.header("content-type");
    if (type.empty() || type.substr(0, type.find(';')) == "application/json") return {};
    return fail(ErrorKind::invalid,
                "unsupported Content-Type header (" + std::string(type) + "): must be 'application/json'");
}

Result<unsigned> dimension(const Request& request, std::string_view name, std::string_view word) {
    const std::string_view text = request.parameter(name);
    unsigned value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && !text.empty()) return value;
    const std::string_view why = parsed.ec == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
    return fail(ErrorKind::invalid, std::string("invalid resize ").append(word).append(" \"").append(text) +
                                        "\": " + std::string(why));
}

// As Go marshals bytes.
std::string base64(std::string_view bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto octet = [&](std::size_t i) {
            return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u;
        };
        const unsigned group = octet(0) << 16 | octet(1) << 8 | octet(2);
        const std::size_t present = std::min<std::size_t>(bytes.size() - at, 3);
        for (std::size_t i = 0; i < 4; ++i) out += i <= present ? digits[group >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

std::string exec_inspect(const Exec& exec) {
    const runtime::ExecSpec& spec = exec.spec;
    const std::vector<std::string> arguments(spec.cmd.begin() + 1, spec.cmd.end());
    json::Writer w;
    w.begin_object().field("ID", exec.id);
    w.field("Running", exec.status == ExecStatus::running || exec.status == ExecStatus::starting);
    if (exec.status == ExecStatus::ended) {
        w.field("ExitCode", exec.exit_code);
    } else {
        w.field_null("ExitCode");
    }
    w.key("ProcessConfig").begin_object().field("tty", spec.tty).field("entrypoint", spec.cmd[0]);
    w.field("arguments", arguments).field("privileged", spec.privileged);
    if (!spec.user.empty()) w.field("user", spec.user);
    w.end_object().field("OpenStdin", spec.attach_stdin).field("OpenStderr", spec.attach_stderr);
    w.field("OpenStdout", spec.attach_stdout).field("CanRemove", exec.can_remove(reactor::Loop::current().now()));
    w.field("ContainerID", exec.container->id).field("DetachKeys", base64(spec.detach_keys)).field("Pid", exec.pid);
    return w.end_object().take();
}

// Told where the output would be: the connection speaks no HTTP any more.
Task<void> tell_failure(RawStream* raw, bool tty, const Error& error) {
    const std::string text = error.message() + "\r\n";
    std::string bytes;
    if (!tty) {
        const auto header = runtime::frame_header(runtime::LogStream::stdout_, static_cast<std::uint32_t>(text.size()));
        bytes.assign(header.data(), header.size());
    }
    bytes += text;
    const auto view = io::bytes_of(bytes);
    auto written = co_await raw->write(view);
    co_return written;
}

}  // namespace

Task<void> create_exec(Services& services, Request& request, Response& response) {
    CO_TRY_VOID(check_json(request));
    CO_TRY(const auto body, co_await read_whole_body(request));
    const std::string_view container = request.captures[0];
    const bool sizes = request.version >= console_sizes_since;
    CO_TRY(const auto id, co_await services.execs->create(container, body, sizes, request.stop));
    json::Writer w;
    std::string answer = w.begin_object().field("Id", id).end_object().take();
    auto sent = co_await response.send_json(201, std::move(answer));
    co_return sent;
}

Task<void> start_exec(Services& services, Request& request, Response& response) {
    CO_TRY_VOID(check_json(request));
    CO_TRY(const auto body, co_await read_whole_body(request));
    CO_TRY(auto options, runtime::parse_exec_start(body));
    CO_TRY(const auto exec, services.execs->find_active(request.captures[0]));
    if (request.version < console_sizes_since || !options.tty) options.console_size.reset();
    runtime::ExecClient client;
    if (options.detach) {
        CO_TRY_VOID(co_await services.execs->start(exec, options.console_size, client));
        auto sent = co_await response.send_empty(200);
        co_return sent;
    }
    const bool framed = !options.tty && request.upgrade_tcp && request.version >= console_sizes_since;
    const std::string_view type =
        framed ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
    CO_TRY(auto raw, co_await response.hijack(type));
    client.input = raw;
    client.end_input = [raw] { raw->end_reading(); };
    client.output = raw;
    client.framed = !options.tty;
    client.stop = request.stop;
    auto started = co_await services.execs->start(exec, options.console_size, client);
    if (started || started.error().kind() == ErrorKind::canceled) co_return started;
    log_error("running exec " + exec->id + ": " + started.error().message());
    auto told = co_await tell_failure(raw, options.tty, started.error());
    co_return told;
}

Task<void> resize_exec(Services& services, Request& request, Response& response) {
    runtime::TerminalSize size;
    CO_TRY(size.rows, dimension(request, "h", "height"));
    CO_TRY(size.columns, dimension(request, "w", "width"));
    CO_TRY(const auto exec, services.execs->find_active(request.captures[0]));
    CO_TRY_VOID(co_await services.execs->resize(exec, size, request.stop));
    auto sent = co_await response.send_empty(200);
    co_return sent;
}

Task<void> inspect_exec(Services& services, Request& request, Response& response) {
    CO_TRY(const auto exec, services.execs->find(request.captures[0]));
    std::string answer = exec_inspect(*exec);
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
