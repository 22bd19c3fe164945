#include <cstdio>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include "tools/dockerc/container_options.h"
#include "tools/dockerc/session.h"
#include "tools/dockerc/terminal.h"

namespace dockerc {
namespace {

struct ExecOptions {
    bool interactive = false, tty = false, detach = false, privileged = false;
    std::string detach_keys, user, workdir;
    std::vector<std::string> env, env_files;
};

void add_options(CommandLine& line, ExecOptions& o) {
    line.app.add_flag("-i,--interactive", o.interactive, "Keep STDIN open even if not attached");
    line.app.add_flag("-t,--tty", o.tty, "Allocate a pseudo-TTY");
    line.app.add_flag("-d,--detach", o.detach, "Detached mode: run command in the background");
    line.app.add_flag("--privileged", o.privileged, "Give extended privileges to the command");
    line.app.add_option("--detach-keys", o.detach_keys, "Override the key sequence for detaching a container");
    line.app.add_option("-u,--user", o.user, "Username or UID (format: <name|uid>[:<group|gid>])");
    line.app.add_option("-w,--workdir", o.workdir, "Working directory inside the container");
    line.list("-e,--env", o.env, "Set environment variables");
    line.list("--env-file", o.env_files, "Read in a file of environment variables");
}

void write_console_size(engine::json::Writer& json, const ExecOptions& options) {
    winsize size{};
    if (!options.tty || !terminal_size(size)) return;
    json.key("ConsoleSize").begin_array().number(size.ws_row).number(size.ws_col).end_array();
}

Result<std::string> create_exec(Client& client, const std::string& container, const ExecOptions& options,
                                const std::vector<std::string>& words) {
    TRY(const auto env, environment(options.env_files, options.env));
    engine::json::Writer json;
    json.begin_object().field("User", options.user).field("Privileged", options.privileged);
    json.field("Tty", options.tty).field("AttachStdin", options.interactive && !options.detach);
    json.field("AttachStdout", !options.detach).field("AttachStderr", !options.detach);
    json.field("DetachKeys", options.detach_keys).field("Env", env).field("WorkingDir", options.workdir);
    json.field("Cmd", std::vector<std::string>(words.begin() + 1, words.end()));
    write_console_size(json, options);
    TRY(const std::string answer, client.call("POST", container + "/exec", json.end_object().take()));
    JsonDocument document;
    if (!document.parse(answer)) return engine::fail(engine::ErrorKind::internal, "the engine's answer is not JSON");
    return json_text(document.root(), "Id");
}

std::string start_body(const ExecOptions& options) {
    engine::json::Writer json;
    json.begin_object().field("Detach", options.detach).field("Tty", options.tty);
    write_console_size(json, options);
    return json.end_object().take();
}

}  // namespace

int exec_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    ExecOptions options;
    add_options(line, options);
    if (const int code = line.parse(std::move(arguments), 2, 1 << 20, true); code >= 0) return code;
    auto keys = DetachKeys::parse(options.detach_keys.empty() ? "ctrl-p,ctrl-q" : options.detach_keys);
    if (!keys) return report(keys.error());
    const bool input = options.interactive && !options.detach;
    if (input && options.tty && ::isatty(STDIN_FILENO) != 1) {
        std::fprintf(stderr, "the input device is not a TTY\n");
        return 1;
    }
    const auto id = create_exec(client, "/containers/" + url_escape(line.words.front()), options, line.words);
    if (!id) return report(id.error());
    const std::string path = "/exec/" + *id;
    if (options.detach) {
        const auto started = client.call("POST", path + "/start", start_body(options));
        return started ? 0 : report(started.error());
    }
    SessionOptions session{path, options.tty, input, false, *keys};
    const UniqueFd signals = session_signals(session);
    auto attached = client.hijack(path + "/start", start_body(options));
    if (!attached) return report(attached.error());
    const auto end = session_run(client, std::move(*attached), session, signals.get());
    if (!end) return report(end.error());
    if (*end == SessionEnd::detached) {
        std::fprintf(stderr, "read escape sequence\n");
        return 1;
    }
    const auto about = client.call("GET", path + "/json");
    if (!about) return report(about.error());
    JsonDocument document;
    if (!document.parse(*about)) return 1;
    return static_cast<int>(json_number(document.root(), "ExitCode"));
}

}  // namespace dockerc
