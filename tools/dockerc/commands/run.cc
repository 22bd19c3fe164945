#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/container_options.h"
#include "tools/dockerc/session.h"

namespace dockerc {

namespace {

// 127: the program is not there; 126: it cannot be executed; 125: anything else the engine refuses.
int start_failure_code(const std::string& message) {
    const auto says = [&message](const char* words) { return message.find(words) != std::string::npos; };
    if (says("executable file not found") || says("no such file or directory") ||
        says("system cannot find the file specified"))
        return 127;
    if (says("permission denied") || says("is a directory")) return 126;
    return exit_usage;
}

Result<int> exit_code(Connection& wait) {
    std::string body;
    const BodySink keep = [&body](std::string_view bytes) -> Result<void> {
        body.append(bytes);
        return {};
    };
    for (bool more = true; more;) {
        TRY(more, wait.receive_some(keep));
    }
    if (wait.reply().status() >= 400) return engine::fail(daemon_error(wait.reply().status(), body));
    JsonDocument document;
    if (!document.parse(body)) return engine::fail(engine::ErrorKind::internal, "unexpected answer to wait");
    return static_cast<int>(json_number(document.root(), "StatusCode"));
}

}  // namespace

int run_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    ContainerOptions options;
    add_container_options(line, options, true);
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20, true); code >= 0) return code;
    options.image = line.words.front();
    options.command.assign(line.words.begin() + 1, line.words.end());
    auto keys = DetachKeys::parse(options.detach_keys.empty() ? "ctrl-p,ctrl-q" : options.detach_keys);
    if (!keys) return report_usage(command, keys.error().message());
    if (options.interactive && options.tty && !options.detach && ::isatty(STDIN_FILENO) != 1) {
        std::fprintf(stderr, "the input device is not a TTY\n");
        return 1;
    }

    const auto id = create_container(client, options);
    if (!id) return report_usage(command, id.error().message());
    const std::string path = "/containers/" + *id;
    if (options.detach) {
        if (const auto started = client.call("POST", path + "/start"); !started)
            return report_usage(command, started.error().message(), start_failure_code(started.error().message()));
        std::printf("%s\n", id->c_str());
        return 0;
    }

    SessionOptions session{path, options.tty, options.interactive, options.sig_proxy, *keys};
    const UniqueFd signals = session_signals(session);
    Query streams;
    streams.add("stream", "1").add("stdin", options.interactive ? "1" : "").add("stdout", "1").add("stderr", "1");
    streams.add("detachKeys", options.detach_keys);
    auto attached = client.hijack(path + "/attach" + streams.text());
    if (!attached) return report_usage(command, attached.error().message());
    auto wait = client.open("POST", path + "/wait?condition=" + (options.remove ? "removed" : "next-exit"));
    if (!wait) return report_usage(command, wait.error().message());
    if (const auto started = client.call("POST", path + "/start"); !started)
        return report_usage(command, started.error().message(), start_failure_code(started.error().message()));
    if (options.tty) session_resize(client, path);
    const auto end = session_run(client, std::move(*attached), session, signals.get());
    if (!end) return report_usage(command, end.error().message());
    if (*end == SessionEnd::detached) return 0;
    const auto code = exit_code(**wait);
    return code ? *code : report_usage(command, code.error().message());
}

}  // namespace dockerc
