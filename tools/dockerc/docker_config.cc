#include "tools/dockerc/docker_config.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "tools/dockerc/base64.h"
#include "tools/dockerc/json.h"

extern char** environ;

namespace dockerc {

using engine::ErrorKind;
using engine::fail;
using engine::Result;
using engine::UniqueFd;

namespace {

// The file's text; "{}" when there is none.
Result<std::string> read_config() {
    std::ifstream file(config_path(), std::ios::binary);
    if (!file) return std::string("{}");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str().empty() ? "{}" : text.str();
}

// Written beside and renamed: whoever reads it meanwhile sees the old one.
Result<void> write_config(const std::string& text) {
    const std::string path = config_path();
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    if (error) return engine::fail_errno(error.value(), "create the folder of " + path);
    const std::string fresh = path + ".new-" + std::to_string(::getpid());
    {
        const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd) return engine::fail_errno(errno, "create " + fresh);
        if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            return engine::fail_errno(errno, "write " + fresh);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return engine::fail_errno(errno, "rename " + fresh);
    return {};
}

// The program that keeps this server's credentials; "" when the file does.
std::string helper_for(JsonValue root, const std::string& server) {
    JsonValue helpers;
    if (json_member(root, "credHelpers", helpers))
        if (const std::string named = json_text(helpers, server); !named.empty()) return named;
    return json_text(root, "credsStore");
}

struct HelperAnswer {
    int status = 0;
    std::string text;
};

Result<HelperAnswer> run_helper(const std::string& name, const std::string& verb, const std::string& input) {
    int to[2];
    int from[2];
    if (::pipe2(to, O_CLOEXEC) != 0) return engine::fail_errno(errno, "pipe");
    const UniqueFd to_read(to[0]);
    UniqueFd to_write(to[1]);
    if (::pipe2(from, O_CLOEXEC) != 0) return engine::fail_errno(errno, "pipe");
    const UniqueFd from_read(from[0]);
    UniqueFd from_write(from[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to_read.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, from_write.get(), 1);
    std::string program = "docker-credential-" + name;
    std::string argument = verb;
    char* argv[] = {program.data(), argument.data(), nullptr};
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return fail(ErrorKind::not_found, "error getting credentials - err: exec: \"" + program +
                                              "\": executable file not found in $PATH, out: ``");
    from_write.reset();
    // Small: a pipe holds it.
    if (::write(to_write.get(), input.data(), input.size()) < 0 && errno != EPIPE)
        return engine::fail_errno(errno, "write to " + program);
    to_write.reset();
    HelperAnswer out;
    char buffer[4096];
    for (ssize_t got; (got = ::read(from_read.get(), buffer, sizeof buffer)) != 0;) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        out.text.append(buffer, static_cast<std::size_t>(got));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return out;
}

// The file's text with `auths` changed: the server's entry replaced, or left out when `entry` is empty.
std::string with_entry(JsonValue root, const std::string& server, const std::string& entry) {
    engine::json::Writer w;
    w.begin_object();
    bool had_auths = false;
    const auto write_auths = [&](JsonValue* auths) {
        w.key("auths").begin_object();
        simdjson::dom::object object;
        if (auths != nullptr && auths->get(object) == simdjson::SUCCESS)
            for (const auto& [name, value] : object)
                if (name != server) w.field_raw(name, simdjson::minify(value));
        if (!entry.empty()) w.field_raw(server, entry);
        w.end_object();
    };
    simdjson::dom::object fields;
    if (root.get(fields) == simdjson::SUCCESS)
        for (auto [name, value] : fields) {
            if (name != "auths") {
                w.field_raw(name, simdjson::minify(value));
                continue;
            }
            had_auths = true;
            JsonValue auths = value;
            write_auths(&auths);
        }
    if (!had_auths) write_auths(nullptr);
    return w.end_object().take();
}

}  // namespace

std::string config_path() {
    if (const char* folder = std::getenv("DOCKER_CONFIG"); folder != nullptr && *folder != '\0')
        return std::string(folder) + "/config.json";
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr ? home : "/root") + "/.docker/config.json";
}

std::string server_of_image(std::string_view image) {
    const std::size_t slash = image.find('/');
    if (slash == std::string_view::npos) return std::string(hub_server);
    const auto head = image.substr(0, slash);
    if (head.find_first_of(".:[") == std::string_view::npos && head != "localhost") return std::string(hub_server);
    return server_key(head);
}

std::string server_key(std::string_view name) {
    if (name.empty()) return std::string(hub_server);
    std::string host(name);
    if (const std::size_t scheme = host.find("://"); scheme != std::string::npos) host.erase(0, scheme + 3);
    host = host.substr(0, host.find('/'));
    if (host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io")
        return std::string(hub_server);
    return host;
}

Result<RegistryLogin> find_login(const std::string& server) {
    RegistryLogin out;
    out.server = server;
    TRY(const std::string text, read_config());
    JsonDocument document;
    if (!document.parse(text))
        return fail(ErrorKind::invalid, "Error loading config file: " + config_path() + ": it is not JSON");
    if (const std::string helper = helper_for(document.root(), server); !helper.empty()) {
        TRY(const HelperAnswer answer, run_helper(helper, "get", server));
        if (answer.status != 0) return out;  // "credentials not found in native keychain"
        JsonDocument found;
        if (!found.parse(answer.text)) return out;
        out.username = json_text(found.root(), "Username");
        out.password = json_text(found.root(), "Secret");
        if (out.username == "<token>") {
            out.identity_token = std::move(out.password);
            out.username.clear();
            out.password.clear();
        }
        return out;
    }
    JsonValue auths;
    JsonValue entry;
    if (!json_member(document.root(), "auths", auths) || !json_member(auths, server, entry)) return out;
    out.identity_token = json_text(entry, "identitytoken");
    const std::string both = base64_decode(json_text(entry, "auth"));
    out.username = both.substr(0, both.find(':'));
    if (const std::size_t colon = both.find(':'); colon != std::string::npos) out.password = both.substr(colon + 1);
    return out;
}

Result<void> store_login(const RegistryLogin& login) {
    TRY(const std::string text, read_config());
    JsonDocument document;
    if (!document.parse(text))
        return fail(ErrorKind::invalid, "Error loading config file: " + config_path() + ": it is not JSON");
    const bool token = !login.identity_token.empty();
    if (const std::string helper = helper_for(document.root(), login.server); !helper.empty()) {
        engine::json::Writer w;
        w.begin_object().field("ServerURL", login.server).field("Username", token ? "<token>" : login.username);
        w.field("Secret", token ? login.identity_token : login.password).end_object();
        TRY(const HelperAnswer answer, run_helper(helper, "store", w.take()));
        if (answer.status != 0)
            return fail(ErrorKind::internal, "Error saving credentials: error storing credentials - err: exit status " +
                                                 std::to_string(answer.status) + ", out: `" + answer.text + "`");
        return write_config(with_entry(document.root(), login.server, "{}"));
    }
    engine::json::Writer w;
    w.begin_object().field("auth", base64_encode(login.username + ":" + (token ? "" : login.password)));
    if (token) w.field("identitytoken", login.identity_token);
    w.end_object();
    return write_config(with_entry(document.root(), login.server, w.take()));
}

Result<bool> erase_login(const std::string& server) {
    TRY(const std::string text, read_config());
    JsonDocument document;
    if (!document.parse(text))
        return fail(ErrorKind::invalid, "Error loading config file: " + config_path() + ": it is not JSON");
    JsonValue auths;
    JsonValue entry;
    const bool known = json_member(document.root(), "auths", auths) && json_member(auths, server, entry);
    if (const std::string helper = helper_for(document.root(), server); !helper.empty()) {
        TRY(const HelperAnswer answer, run_helper(helper, "erase", server));
        if (!known && answer.status != 0) return false;
    } else if (!known) {
        return false;
    }
    TRY_VOID(write_config(with_entry(document.root(), server, "")));
    return true;
}

std::string registry_auth(const RegistryLogin& login) {
    engine::json::Writer w;
    w.begin_object();
    if (!login.username.empty()) w.field("username", login.username).field("password", login.password);
    if (!login.identity_token.empty()) w.field("identitytoken", login.identity_token);
    w.field("serveraddress", login.server).end_object();
    std::string out = base64_encode(w.take());
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    return out;
}

}  // namespace dockerc
