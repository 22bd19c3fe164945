// What is done to a container that runs: single verbs, a line through an attached terminal, events to many.
#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "bench/startstop.h"

namespace bench {
namespace {

class Running {
public:
    Running(const std::string& socket, const std::string& body) : connection_(socket) {
        const Response created = call(connection_, "POST", "/containers/create", body);
        expect(created, {201}, "create");
        id_ = json_string(created.body, "Id");
        expect(call(connection_, "POST", path("/start")), {204}, "start");
    }
    ~Running() { expect(call(connection_, "DELETE", "/containers/" + id_ + "?force=1"), {204}, "remove"); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    std::string path(const std::string& verb) const { return "/containers/" + id_ + verb; }
    Connection& connection() { return connection_; }
    void time(const char* method, const std::string& target, int good, Samples& samples) {
        const std::int64_t began = now_ns();
        const Response response = call(connection_, method, target);
        samples.ns.push_back(now_ns() - began);
        expect(response, {good}, target);
    }

private:
    Connection connection_;
    std::string id_;
};

int connect_raw(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        fail("connecting to " + path);
    return fd;
}

void send_text(int fd, std::string_view text) {
    if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) fail("a short write");
}

// Reads until `wanted` has been seen.
void read_until(int fd, std::string_view wanted) {
    std::string seen;
    char buffer[4096];
    while (seen.find(wanted) == std::string::npos) {
        const ssize_t got = read(fd, buffer, sizeof buffer);
        if (got <= 0) fail("a stream ended before " + std::string(wanted));
        seen.append(buffer, static_cast<std::size_t>(got));
    }
}

// The terminal prints the line as it is typed, and cat prints it again.
constexpr std::string_view kLine = "x\n";
constexpr std::string_view kBoth = "x\r\nx\r\n";

void type_lines(int fd, int lines, Samples& samples) {
    for (int i = 0; i < lines; ++i) {
        const std::int64_t began = now_ns();
        send_text(fd, kLine);
        read_until(fd, kBoth);
        samples.ns.push_back(now_ns() - began);
    }
}

// The same line through a terminal of this process's own, with no engine between.
void type_lines_alone(int lines, Samples& samples) {
    int master = -1;
    const pid_t pid = forkpty(&master, nullptr, nullptr, nullptr);
    if (pid < 0) fail("forkpty");
    if (pid == 0) {
        execl("/bin/busybox", "busybox", "cat", nullptr);
        _exit(127);
    }
    send_text(master, kLine);
    read_until(master, kBoth);
    type_lines(master, lines, samples);
    close(master);
    waitpid(pid, nullptr, 0);
}

}  // namespace

void run_verbs(const std::string& name, const std::string& socket, const std::string& image, int times) {
    Running running(socket, create_body(image, R"(["sleep","1000000"])"));
    Samples ping, inspect, pause, unpause, kill;
    for (int i = 0; i < times; ++i) {
        running.time("GET", "/_ping", 200, ping);
        running.time("GET", running.path("/json"), 200, inspect);
        running.time("POST", running.path("/pause"), 204, pause);
        running.time("POST", running.path("/unpause"), 204, unpause);
        running.time("POST", running.path("/kill?signal=URG"), 204, kill);   // sleep ignores it
    }
    report(name, "verbs", "/_ping", ping);
    report(name, "verbs", "inspect", inspect);
    report(name, "verbs", "pause", pause);
    report(name, "verbs", "unpause", unpause);
    report(name, "verbs", "kill", kill);
}

void run_echo(const std::string& name, const std::string& socket, const std::string& image, int lines) {
    const std::string body = create_body(image, R"(["cat"])");
    Running running(socket, R"({"Tty":true,"OpenStdin":true,)" + body.substr(1));
    const int fd = connect_raw(socket);
    send_text(fd, "POST " + running.path("/attach?stream=1&stdin=1&stdout=1&stderr=1") +
                      " HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    read_until(fd, "\r\n\r\n");
    send_text(fd, kLine);
    read_until(fd, kBoth);
    Samples attached, alone;
    type_lines(fd, lines, attached);
    close(fd);
    type_lines_alone(lines, alone);
    report(name, "echo", "a line there and back", attached);
    report(name, "echo", "the same on a terminal alone", alone);
}

void run_events(const std::string& name, const std::string& socket, const std::string& image, int listeners,
                int times) {
    Running running(socket, create_body(image, R"(["sleep","1000000"])"));
    std::vector<int> fds;
    for (int i = 0; i < listeners; ++i) {
        fds.push_back(connect_raw(socket));
        send_text(fds.back(), "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
        read_until(fds.back(), "\r\n\r\n");
    }
    Samples told;
    for (int i = 0; i < times; ++i) {
        const std::int64_t began = now_ns();
        expect(call(running.connection(), "POST", running.path("/kill?signal=URG")), {204}, "kill");
        for (const int fd : fds) read_until(fd, "\"Action\":\"kill\"");
        told.ns.push_back(now_ns() - began);
    }
    for (const int fd : fds) close(fd);
    report(name, "events", "kill, seen by " + std::to_string(listeners), told);
}

}  // namespace bench
