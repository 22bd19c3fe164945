#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/session.h"

namespace dockerc {

int start_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool attach = false, interactive = false, sig_proxy = true;
    std::string keys_text = "ctrl-p,ctrl-q";
    line.app.add_flag("-a,--attach", attach, "Attach STDOUT/STDERR and forward signals");
    line.app.add_flag("-i,--interactive", interactive, "Attach container's STDIN");
    line.app.add_flag("--sig-proxy", sig_proxy, "Proxy received signals to the process");
    line.app.add_option("--detach-keys", keys_text, "Override the key sequence for detaching a container");
    if (const int code = line.parse(std::move(arguments), 1, 1 << 20); code >= 0) return code;
    if (!attach && !interactive)
        return for_each_word(line.words, [&client](const std::string& name) -> Result<void> {
            TRY(const std::string body, client.call("POST", "/containers/" + url_escape(name) + "/start"));
            return {};
        });
    if (line.words.size() > 1)
        return report_usage(command, "you cannot start and attach multiple containers at once", 1);
    const std::string path = "/containers/" + url_escape(line.words.front());
    auto keys = DetachKeys::parse(keys_text);
    if (!keys) return report_usage(command, keys.error().message());
    const auto about = client.call("GET", path + "/json");
    if (!about) return report(about.error());
    JsonDocument document;
    JsonValue config;
    if (!document.parse(*about) || !json_member(document.root(), "Config", config)) return 1;
    JsonValue host;
    const bool removed = json_member(document.root(), "HostConfig", host) && json_bool(host, "AutoRemove");
    SessionOptions session{path, json_bool(config, "Tty"),
                           interactive && json_bool(config, "OpenStdin"), sig_proxy, *keys};
    const UniqueFd signals = session_signals(session);
    auto attached = client.hijack(path + "/attach?stream=1&stdout=1&stderr=1" + (session.input ? "&stdin=1" : ""));
    if (!attached) return report(attached.error());
    auto wait = client.open("POST", path + "/wait?condition=" + (removed ? "removed" : "next-exit"));
    if (!wait) return report(wait.error());
    if (const auto started = client.call("POST", path + "/start"); !started) return report(started.error());
    if (session.tty) session_resize(client, path);
    const auto end = session_run(client, std::move(*attached), session, signals.get());
    if (!end) return report(end.error());
    if (*end == SessionEnd::detached) return 0;
    std::string body;
    const BodySink keep = [&body](std::string_view bytes) -> Result<void> {
        body.append(bytes);
        return {};
    };
    for (bool more = true; more;) {
        const auto next = (*wait)->receive_some(keep);
        if (!next) return report(next.error());
        more = *next;
    }
    return document.parse(body) ? static_cast<int>(json_number(document.root(), "StatusCode")) : 1;
}

}  // namespace dockerc
