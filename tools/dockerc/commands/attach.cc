#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/session.h"

namespace dockerc {

int attach_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool no_stdin = false, sig_proxy = true;
    std::string keys_text = "ctrl-p,ctrl-q";
    line.app.add_flag("--no-stdin", no_stdin, "Do not attach STDIN");
    line.app.add_flag("--sig-proxy", sig_proxy, "Proxy all received signals to the process");
    line.app.add_option("--detach-keys", keys_text, "Override the key sequence for detaching a container");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    auto keys = DetachKeys::parse(keys_text);
    if (!keys) return report_usage(command, keys.error().message());
    const std::string name = url_escape(line.words.front()), path = "/containers/" + name;
    const auto about = client.call("GET", path + "/json");
    if (!about) return report(about.error());
    JsonDocument document;
    JsonValue config, state;
    if (!document.parse(*about) || !json_member(document.root(), "Config", config) ||
        !json_member(document.root(), "State", state))
        return 1;
    if (!json_bool(state, "Running")) {
        std::fprintf(stderr, "cannot attach to a stopped container, start it first\n");
        return 1;
    }
    SessionOptions session{path, json_bool(config, "Tty"), !no_stdin && json_bool(config, "OpenStdin"), sig_proxy,
                           *keys};
    if (session.tty && session.input && ::isatty(STDIN_FILENO) != 1) {
        std::fprintf(stderr, "the input device is not a TTY\n");
        return 1;
    }
    const UniqueFd signals = session_signals(session);
    Query streams;
    streams.add("stream", "1").add("stdin", session.input ? "1" : "").add("stdout", "1").add("stderr", "1");
    streams.add("detachKeys", keys_text);
    auto attached = client.hijack(path + "/attach" + streams.text());
    if (!attached) return report(attached.error());
    if (session.tty) session_resize(client, path);
    const auto end = session_run(client, std::move(*attached), session, signals.get());
    if (!end) return report(end.error());
    if (*end == SessionEnd::detached) {
        std::fprintf(stderr, "read escape sequence\n");
        return 1;
    }
    const auto after = client.call("GET", path + "/json");
    if (!after) return 0;  // removed with its end
    if (!document.parse(*after) || !json_member(document.root(), "State", state)) return 1;
    return static_cast<int>(json_number(state, "ExitCode"));
}

}  // namespace dockerc
