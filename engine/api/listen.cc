#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include "engine/api/server.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

constexpr int backlog = 4096;
constexpr int first_passed_fd = 3;   // sd_listen_fds(3)

// Somebody listens there who is still alive: the kernel takes down a killed engine's ring, and the sockets that
// requests in it hold, a while after the process is gone.
bool answers(const sockaddr_un& address) {
    UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return errno == EAGAIN;  // a full backlog has somebody behind it
    ucred listener{};
    socklen_t size = sizeof listener;
    if (getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0 || listener.pid <= 0) return true;
    return ::kill(listener.pid, 0) == 0 || errno != ESRCH;
}

Result<Listening> listen_unix(const std::string& path, const std::string& group) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail(ErrorKind::invalid, "unix://" + path + ": a socket's path has 1 to " +
                                            std::to_string(sizeof address.sun_path - 1) + " bytes");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) return fail(ErrorKind::conflict, path + " exists and is not a socket");
        if (answers(address))
            return fail(ErrorKind::conflict, "another daemon answers on " + path +
                                                 ": stop it, or give this engine another address with -H");
        ::unlink(path.c_str());
    }
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    const mode_t mask = umask(0117);
    const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int bind_error = errno;
    umask(mask);
    if (bound != 0) return fail_errno(bind_error, "binding unix://" + path);
    if (const ::group* entry = getgrnam(group.c_str())) {
        if (chown(path.c_str(), 0, entry->gr_gid) != 0)
            return fail_errno(errno, "giving " + path + " to group " + group);
    }
    if (listen(fd.get(), backlog) != 0) return fail_errno(errno, "listening on unix://" + path);
    return Listening{std::move(fd), "unix://" + path, path};
}

Result<Listening> listen_tcp(const std::string& text) {
    std::string host = text;
    std::string port = "2375";
    const std::size_t colon = text.rfind(':');
    if (colon != std::string::npos && text.find(']', colon) == std::string::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) return fail(ErrorKind::invalid, "tcp://" + text + ": " + gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
    UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0) return fail_errno(errno, "binding tcp://" + text);
    if (listen(fd.get(), backlog) != 0) return fail_errno(errno, "listening on tcp://" + text);
    log_warn("tcp://" + text + " is open without TLS: whoever reaches it is root on this host");
    return Listening{std::move(fd), "tcp://" + text, ""};
}

// Taken by the first fd://.
std::vector<Listening> passed;

bool listens(int fd) {
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

}  // namespace

Result<void> keep_passed_sockets() {
    const char* pid = getenv("LISTEN_PID");
    const char* count = getenv("LISTEN_FDS");
    if (!pid || !count || std::to_string(getpid()) != pid) return {};
    for (int fd = first_passed_fd; fd < first_passed_fd + atoi(count); ++fd) {
        const std::string name = "fd://" + std::to_string(fd);
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail_errno(errno, name);
        if (!listens(fd)) return fail(ErrorKind::invalid, name + " was passed and is not a listening socket");
        passed.push_back(Listening{UniqueFd(fd), name, ""});
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    return {};
}

Result<std::vector<Listening>> listen_on(const std::string& address, const std::string& group) {
    std::vector<Listening> out;
    if (address.starts_with("fd://")) {
        if (passed.empty())
            return fail(ErrorKind::invalid,
                        "fd://: no sockets were passed by a service manager (LISTEN_FDS, LISTEN_PID)");
        return std::exchange(passed, {});
    }
    if (address.starts_with("unix://")) {
        TRY(auto listening, listen_unix(address.substr(7), group));
        out.push_back(std::move(listening));
    } else if (address.starts_with("tcp://")) {
        TRY(auto listening, listen_tcp(address.substr(6)));
        out.push_back(std::move(listening));
    } else if (address.starts_with("/")) {
        TRY(auto listening, listen_unix(address, group));
        out.push_back(std::move(listening));
    } else {
        return fail(ErrorKind::invalid, "-H " + address + ": an address begins with unix://, tcp:// or fd://");
    }
    return out;
}

}  // namespace engine::api
