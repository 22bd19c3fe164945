#include "tools/dockerc/client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/reactor/try.h"
#include "tools/dockerc/json.h"

namespace dockerc {
namespace {

using engine::ErrorKind;
using engine::fail;
using engine::fail_errno;

constexpr std::string_view version_max = "1.51";

// "1.9" is older than "1.24".
bool older(std::string_view a, std::string_view b) {
    const auto minor = [](std::string_view v) {
        const std::size_t dot = v.find('.');
        return dot == std::string_view::npos ? 0 : std::atoi(std::string(v.substr(dot + 1)).c_str());
    };
    return minor(a) < minor(b);
}

Result<UniqueFd> connect_unix(const Endpoint& endpoint) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (endpoint.path.size() >= sizeof name.sun_path) return fail(ErrorKind::invalid, "the socket's path is too long");
    endpoint.path.copy(name.sun_path, endpoint.path.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return fd;
    if (errno == EACCES)
        return fail(ErrorKind::forbidden, "permission denied while trying to connect to the docker API at " +
                                              endpoint.address);
    return fail(ErrorKind::unavailable, "Cannot connect to the Docker daemon at " + endpoint.address +
                                            ". Is the docker daemon running?");
}

Result<UniqueFd> connect_tcp(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found); error != 0)
        return fail(ErrorKind::unavailable, "lookup " + endpoint.host + ": " + gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, ::freeaddrinfo);
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!fd || ::connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) continue;
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return fd;
    }
    return fail(ErrorKind::unavailable, "Cannot connect to the Docker daemon at " + endpoint.address +
                                            ". Is the docker daemon running?");
}

Result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "write to the engine");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

std::string chunk(std::string_view data) {
    char size[24];
    const int n = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    std::string out(size, static_cast<std::size_t>(n));
    out.append(data).append("\r\n");
    return out;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view url) {
    Endpoint endpoint;
    endpoint.address = url;
    if (url.starts_with("unix://")) {
        endpoint.path = url.substr(7);
        if (endpoint.path.empty()) endpoint.path = "/var/run/docker.sock";
        return endpoint;
    }
    if (!url.starts_with("tcp://"))
        return fail(ErrorKind::invalid, "unable to parse docker host `" + std::string(url) + "`");
    endpoint.kind = Endpoint::Kind::tcp;
    std::string_view rest = url.substr(6);
    rest = rest.substr(0, rest.find('/'));
    const std::size_t colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos;
    endpoint.port = has_port ? rest.substr(colon + 1) : "2375";
    std::string_view host = has_port ? rest.substr(0, colon) : rest;
    if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
    endpoint.host = host.empty() ? "localhost" : host;
    return endpoint;
}

Result<void> Connection::send(std::string_view bytes) { return write_all(fd_.get(), bytes); }

Result<void> Connection::receive_head() {
    const BodySink keep = [this](std::string_view bytes) -> Result<void> {
        early_.append(bytes);
        return {};
    };
    char buffer[16384];
    while (!reply_.head_complete()) {
        const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "read from the engine");
        if (n == 0) return reply_.end();
        TRY_VOID(reply_.feed({buffer, static_cast<std::size_t>(n)}, keep));
    }
    return {};
}

Result<bool> Connection::receive_some(const BodySink& sink) {
    if (!early_.empty()) {
        const std::string early = take_rest();
        early_.clear();
        TRY_VOID(sink(early));
        return !reply_.complete();
    }
    if (reply_.complete()) return false;
    char buffer[65536];
    ssize_t n;
    do {
        n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail_errno(errno, "read from the engine");
    if (n == 0) {
        TRY_VOID(reply_.end());
        return false;
    }
    TRY_VOID(reply_.feed({buffer, static_cast<std::size_t>(n)}, sink));
    return !reply_.complete();
}

Result<std::unique_ptr<Connection>> Client::connect() {
    TRY(UniqueFd fd, endpoint_.kind == Endpoint::Kind::tcp ? connect_tcp(endpoint_) : connect_unix(endpoint_));
    return std::make_unique<Connection>(std::move(fd));
}

Result<std::string> Client::api_version() {
    if (!version_.empty()) return version_;
    if (const char* forced = std::getenv("DOCKER_API_VERSION"); forced != nullptr && *forced != '\0') {
        version_ = forced;
        return version_;
    }
    TRY(idle_, connect());
    TRY_VOID(idle_->send("GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: dockerc\r\n\r\n"));
    TRY_VOID(idle_->receive_head());
    const BodySink drop = [](std::string_view) -> Result<void> { return {}; };
    for (bool more = true; more;) {
        TRY(more, idle_->receive_some(drop));
    }
    const std::string& theirs = idle_->reply().api_version();
    version_ = theirs.empty() ? "1.24" : older(theirs, version_max) ? theirs : std::string(version_max);
    if (!idle_->reusable()) idle_.reset();
    return version_;
}

Result<std::string> Client::head(std::string_view method, std::string_view path, std::string_view more) {
    TRY(const std::string version, api_version());
    std::string out(method);
    out.append(" /v").append(version).append(path).append(" HTTP/1.1\r\nHost: ");
    out.append(endpoint_.kind == Endpoint::Kind::tcp ? endpoint_.host : "docker");
    out.append("\r\nUser-Agent: dockerc\r\n");
    if (!registry_auth_.empty()) out.append("X-Registry-Auth: ").append(registry_auth_).append("\r\n");
    out.append(more).append("\r\n");
    return out;
}

namespace {
std::string body_headers(std::string_view method, std::string_view body) {
    if (!body.empty())
        return "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    return method == "POST" ? "Content-Length: 0\r\n" : "";
}
}  // namespace

Result<std::unique_ptr<Connection>> Client::open(std::string_view method, std::string_view path,
                                                 std::string_view body) {
    TRY(std::string bytes, head(method, path, body_headers(method, body)));
    bytes.append(body);
    if (idle_) {  // an idle connection may have been closed by the engine: then once more on a fresh one
        std::unique_ptr<Connection> connection = std::move(idle_);
        connection->reset();
        if (method == "HEAD") connection->reply().expect_no_body();
        if (connection->send(bytes) && connection->receive_head()) return connection;
    }
    TRY(std::unique_ptr<Connection> connection, connect());
    if (method == "HEAD") connection->reply().expect_no_body();
    TRY_VOID(connection->send(bytes));
    TRY_VOID(connection->receive_head());
    return connection;
}

Result<Answer> Client::request(std::string_view method, std::string_view path, std::string_view body) {
    TRY(std::unique_ptr<Connection> connection, open(method, path, body));
    Answer answer;
    answer.status = connection->reply().status();
    const BodySink keep = [&answer](std::string_view bytes) -> Result<void> {
        answer.body.append(bytes);
        return {};
    };
    for (bool more = true; more;) {
        TRY(more, connection->receive_some(keep));
    }
    if (connection->reusable()) idle_ = std::move(connection);
    return answer;
}

Result<std::string> Client::call(std::string_view method, std::string_view path, std::string_view body) {
    TRY(Answer answer, request(method, path, body));
    if (answer.status >= 400) return fail(daemon_error(answer.status, answer.body));
    return std::move(answer.body);
}

Result<void> Client::stream(std::string_view method, std::string_view path, const BodySink& sink) {
    TRY(const std::unique_ptr<Connection> connection, open(method, path));
    std::string refusal;
    const int status = connection->reply().status();
    const BodySink keep = [&refusal](std::string_view text) -> Result<void> {
        refusal.append(text);
        return {};
    };
    for (bool more = true; more;) {
        TRY(more, connection->receive_some(status >= 400 ? keep : sink));
    }
    if (status >= 400) return fail(daemon_error(status, refusal));
    return {};
}

Result<void> Client::upload(std::string_view path, int source, const BodySink& sink, std::string_view method) {
    TRY(const std::string start,
        head(method, path, "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n"));
    TRY(const std::unique_ptr<Connection> connection, connect());
    TRY_VOID(connection->send(start));
    std::string refusal;
    const BodySink deliver = [&](std::string_view bytes) -> Result<void> {
        if (connection->reply().status() < 400) return sink(bytes);
        refusal.append(bytes);
        return {};
    };
    std::vector<char> buffer(256 * 1024);
    std::string pending;
    bool sending = true, source_ended = false, more = true;
    while (more) {  // the answer may begin, or end, before the upload has
        pollfd wanted[2] = {{connection->fd(), POLLIN, 0}, {source, POLLIN, 0}};
        if (sending && !pending.empty()) wanted[0].events |= POLLOUT;
        if (!sending || !pending.empty() || source_ended) wanted[1].fd = -1;
        if (::poll(wanted, 2, -1) < 0 && errno != EINTR) return fail_errno(errno, "poll");
        if ((wanted[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            const ssize_t n = ::read(source, buffer.data(), buffer.size());
            if (n < 0 && errno != EINTR) return fail_errno(errno, "read");
            if (n >= 0) pending = chunk({buffer.data(), static_cast<std::size_t>(n)});  // an empty chunk is the last
            source_ended = n == 0;
        }
        if ((wanted[0].revents & POLLIN) != 0) {
            if (!connection->reply().head_complete()) {
                TRY_VOID(connection->receive_head());
            } else {
                TRY(more, connection->receive_some(deliver));
            }
            if (connection->reply().complete()) {
                TRY(more, connection->receive_some(deliver));
                more = false;
            }
        } else if ((wanted[0].revents & (POLLERR | POLLHUP)) != 0) {
            return fail(ErrorKind::unavailable, "the engine closed the connection during the upload");
        }
        if (more && sending && !pending.empty() && (wanted[0].revents & POLLOUT) != 0) {
            const ssize_t n = ::send(connection->fd(), pending.data(), pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) pending.erase(0, static_cast<std::size_t>(n));
            if (n < 0 && errno != EINTR && errno != EAGAIN) sending = false;  // its answer says why
            if (source_ended && pending.empty()) sending = false;
        }
    }
    if (connection->reply().status() >= 400) return fail(daemon_error(connection->reply().status(), refusal));
    return {};
}

Result<Hijacked> Client::hijack(std::string_view path, std::string_view body) {
    std::string headers = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (!body.empty()) headers += "Content-Type: application/json\r\n";
    headers += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    TRY(std::string bytes, head("POST", path, headers));
    bytes.append(body);
    TRY(const std::unique_ptr<Connection> connection, connect());
    TRY_VOID(connection->send(bytes));
    TRY_VOID(connection->receive_head());
    const int status = connection->reply().status();
    if (status != 101 && status != 200) {
        std::string refusal;
        const BodySink keep = [&refusal](std::string_view text) -> Result<void> {
            refusal.append(text);
            return {};
        };
        for (bool more = true; more;) {
            TRY(more, connection->receive_some(keep));
        }
        return fail(daemon_error(status, refusal));
    }
    Hijacked hijacked;
    hijacked.early = connection->take_rest();
    hijacked.content_type = connection->reply().content_type();
    hijacked.fd = connection->take_fd();
    return hijacked;
}

engine::Error daemon_error(int status, std::string_view body) {
    std::string message;
    JsonDocument document;
    if (document.parse(body)) message = json_text(document.root(), "message");
    if (message.empty()) message = body;
    while (!message.empty() && message.back() == '\n') message.pop_back();
    if (message.empty()) message = "HTTP status " + std::to_string(status);
    const ErrorKind kind = status == 404   ? ErrorKind::not_found
                           : status == 409 ? ErrorKind::conflict
                           : status == 400 ? ErrorKind::invalid
                                           : ErrorKind::internal;
    return engine::Error(kind, "Error response from daemon: " + message);
}

std::string url_escape(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            std::string_view("-_.~").find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

}  // namespace dockerc
