#include "bench/http_client.h"

#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace bench {

std::int64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

bool Connection::try_connect() {
    if (fd_ >= 0) return true;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        fprintf(stderr, "startstop: socket path too long: %s\n", path_.c_str());
        exit(2);
    }
    path_.copy(address.sun_path, path_.size());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close(fd);
        return false;
    }
    fd_ = fd;
    return true;
}

void Connection::disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    in_.clear();
    in_at_ = 0;
}

void Connection::request(std::string_view method, std::string_view target, std::string_view body, Done done,
                         std::string_view type) {
    head_.assign(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: docker\r\n");
    if (!body.empty()) head_.append("Content-Type: ").append(type).append("\r\n");
    if (method != "GET" && method != "HEAD")
        head_.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    head_ += "\r\n";
    head_at_ = 0;
    body_ = body;
    is_head_ = method == "HEAD";
    state_ = State::kHead;
    response_ = {};
    done_ = std::move(done);
    if (!try_connect()) {
        broken();
        return;
    }
    flush();
}

void Connection::flush() {
    while (head_at_ < head_.size() || !body_.empty()) {
        iovec parts[2] = {{head_.data() + head_at_, head_.size() - head_at_},
                          {const_cast<char*>(body_.data()), body_.size()}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        ssize_t n = sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return;  // EAGAIN: poll says when; anything else: reading finds the answer or the end
        auto sent = static_cast<std::size_t>(n);
        std::size_t of_head = std::min(sent, head_.size() - head_at_);
        head_at_ += of_head;
        body_.remove_prefix(sent - of_head);
    }
}

pollfd Connection::interest() const {
    bool writing = head_at_ < head_.size() || !body_.empty();
    return {fd_, static_cast<short>(writing ? POLLIN | POLLOUT : POLLIN), 0};
}

void Connection::ready(short events) {
    if (events & POLLOUT) flush();
    if (!(events & (POLLIN | POLLHUP | POLLERR))) return;
    static char buffer[256 * 1024];
    ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        if (n == 0 && state_ == State::kUntilClose) {
            close_ = true;
            finish();
        } else {
            broken();
        }
        return;
    }
    in_.append(buffer, static_cast<std::size_t>(n));
    parse();
}

void Connection::broken() {
    disconnect();
    close_ = false;
    response_ = {};
    Done done = std::move(done_);
    done_ = nullptr;
    if (done) done(response_);
}

void Connection::finish() {
    in_.erase(0, in_at_);
    in_at_ = 0;
    if (close_) disconnect();
    Done done = std::move(done_);
    done_ = nullptr;
    Response response = std::move(response_);
    done(response);
}

void Connection::take(std::string_view bytes) {
    if (sink_ && response_.status < 300) {
        sink_(bytes);
    } else {
        response_.body.append(bytes);
    }
}

bool Connection::parse_head() {
    std::size_t end = in_.find("\r\n\r\n", in_at_);
    if (end == std::string::npos) return false;
    std::string_view head(in_.data() + in_at_, end - in_at_ + 2);
    in_at_ = end + 4;
    response_.status = head.size() > 12 ? atoi(head.data() + 9) : 0;
    bool chunked = false;
    bool sized = false;
    close_ = false;
    left_ = 0;
    for (std::size_t line = head.find("\r\n") + 2; line < head.size();) {
        std::size_t next = head.find("\r\n", line);
        std::string_view text = head.substr(line, next - line);
        line = next + 2;
        std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) continue;
        std::string name(text.substr(0, colon));
        std::string_view value = text.substr(std::min(text.size(), text.find_first_not_of(" \t", colon + 1)));
        if (!strcasecmp(name.c_str(), "content-length")) {
            sized = std::from_chars(value.data(), value.data() + value.size(), left_).ec == std::errc{};
        } else if (!strcasecmp(name.c_str(), "transfer-encoding")) {
            chunked = value.find("chunked") != std::string_view::npos;
        } else if (!strcasecmp(name.c_str(), "connection")) {
            close_ = value.starts_with("close") || value.starts_with("Close");
        }
    }
    if (response_.status >= 100 && response_.status < 200) return true;  // interim: the real head follows
    if (is_head_ || response_.status == 204 || response_.status == 304) {
        left_ = 0;
        state_ = State::kFixed;
    } else if (chunked) {
        state_ = State::kChunkSize;
    } else {
        state_ = sized ? State::kFixed : State::kUntilClose;
    }
    return true;
}

void Connection::parse() {
    while (true) {
        std::size_t available = in_.size() - in_at_;
        if (state_ == State::kHead) {
            if (!parse_head()) break;
        } else if (state_ == State::kFixed || state_ == State::kChunkData) {
            auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, available));
            if (n > 0) take({in_.data() + in_at_, n});
            in_at_ += n;
            left_ -= n;
            if (left_ > 0) break;
            if (state_ == State::kFixed) return finish();
            state_ = State::kChunkEnd;
        } else if (state_ == State::kUntilClose) {
            take({in_.data() + in_at_, available});
            in_at_ = in_.size();
            break;
        } else {  // a line: the end of a chunk, a chunk's size, or a trailer
            std::size_t end = in_.find("\r\n", in_at_);
            if (end == std::string::npos) break;
            std::string_view line(in_.data() + in_at_, end - in_at_);
            in_at_ = end + 2;
            if (state_ == State::kChunkEnd) {
                state_ = State::kChunkSize;
            } else if (state_ == State::kChunkSize) {
                if (std::from_chars(line.data(), line.data() + line.size(), left_, 16).ec != std::errc{})
                    return broken();
                state_ = left_ == 0 ? State::kTrailer : State::kChunkData;
            } else if (line.empty()) {
                return finish();
            }
        }
    }
    in_.erase(0, in_at_);
    in_at_ = 0;
}

void drive(const std::vector<Connection*>& connections, Connection* side, const std::function<int()>& tick) {
    std::vector<pollfd> polled;
    std::vector<Connection*> waiting;
    while (true) {
        polled.clear();
        waiting.clear();
        for (Connection* connection : connections) {
            if (!connection->busy()) continue;
            polled.push_back(connection->interest());
            waiting.push_back(connection);
        }
        if (polled.empty()) return;
        int timeout = tick ? tick() : -1;
        if (side && side->busy()) {
            polled.push_back(side->interest());
            waiting.push_back(side);
        }
        if (poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) exit(1);
        for (std::size_t i = 0; i < polled.size(); ++i) {
            if (polled[i].revents && waiting[i]->fd() == polled[i].fd) waiting[i]->ready(polled[i].revents);
        }
    }
}

Response call(Connection& connection, std::string_view method, std::string_view target, std::string_view body,
              std::string_view type) {
    Response answer;
    connection.request(
        method, target, body, [&](const Response& response) { answer = response; }, type);
    drive({&connection});
    return answer;
}

}  // namespace bench
