#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "engine/reactor/json_writer.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/docker_config.h"
#include "tools/dockerc/terminal.h"

namespace dockerc {
namespace {

std::string ask(const char* what, bool hidden) {
    std::fprintf(stderr, "%s", what);
    termios before{};
    const bool terminal = hidden && ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        termios quiet = before;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    std::string out;
    std::getline(std::cin, out);
    if (terminal) {
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
        std::fprintf(stderr, "\n");
    }
    return out;
}

int usage_error(const char* text) {
    std::fprintf(stderr, "%s\n", text);
    return 1;
}

}  // namespace

int login_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    RegistryLogin login;
    bool from_stdin = false;
    line.app.add_option("-u,--username", login.username, "Username");
    line.app.add_option("-p,--password", login.password, "Password");
    line.app.add_flag("--password-stdin", from_stdin, "Take the password from stdin");
    if (const int code = line.parse(std::move(arguments), 0, 1); code >= 0) return code;
    login.server = server_key(line.words.empty() ? "" : line.words[0]);
    if (!login.password.empty()) {
        std::fprintf(stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        if (from_stdin) return usage_error("--password and --password-stdin are mutually exclusive");
    }
    if (from_stdin) {
        if (login.username.empty()) return usage_error("Must provide --username with --password-stdin");
        std::getline(std::cin, login.password, '\0');
        while (login.password.ends_with('\n') || login.password.ends_with('\r')) login.password.pop_back();
    }
    if (login.password.empty()) {
        const auto known = find_login(login.server);
        if (!known) return report(known.error());
        if (!known->empty() && (login.username.empty() || login.username == known->username)) {
            std::printf("Authenticating with existing credentials...\n");
            login = *known;
        } else if (::isatty(STDIN_FILENO) != 1) {
            return usage_error("Error: Cannot perform an interactive login from a non TTY device");
        } else {
            if (login.username.empty()) login.username = ask("Username: ", false);
            if (login.username.empty()) return usage_error("Error: Non-null Username Required");
            login.password = ask("Password: ", true);
            if (login.password.empty()) return usage_error("Error: Password Required");
        }
    }
    engine::json::Writer w;
    w.begin_object().field("username", login.username).field("password", login.password);
    w.field("identitytoken", login.identity_token).field("serveraddress", login.server).end_object();
    const auto answer = client.call("POST", "/auth", w.text());
    if (!answer) return report(answer.error());
    JsonDocument document;
    if (document.parse(*answer)) {
        if (const std::string token = json_text(document.root(), "IdentityToken"); !token.empty()) {
            login.identity_token = token;
            login.password.clear();
        }
    }
    const auto stored = store_login(login);
    if (!stored) return report(stored.error());
    std::printf("Login Succeeded\n");
    return 0;
}

}  // namespace dockerc
