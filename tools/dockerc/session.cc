#include "tools/dockerc/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <deque>
#include <memory>
#include <vector>

#include "engine/reactor/try.h"
#include "tools/dockerc/terminal.h"

namespace dockerc {
namespace {

using engine::fail_errno;

constexpr std::size_t input_bytes_max = 64 * 1024;
constexpr std::size_t pipe_write_bytes = 4096;  // what a pipe that polls writable takes without blocking

struct Output {
    int fd;
    std::size_t write_bytes;
};

class Pump {
public:
    Pump(Client& client, Hijacked stream, const SessionOptions& options, int signals)
        : client_(client), options_(options), keys_(options.detach_keys), stream_(std::move(stream)),
          signals_(signals), input_open_(options.input) {
        ::fcntl(stream_.fd.get(), F_SETFL, ::fcntl(stream_.fd.get(), F_GETFL) | O_NONBLOCK);
        keys_on_ = options.tty && options.input && ::isatty(STDIN_FILENO) == 1;
    }

    Result<SessionEnd> run() {
        TRY_VOID(take(stream_.early));
        while (true) {
            if (ended_ && pending_.empty()) return SessionEnd::stream_ended;
            pollfd polls[4] = {{stream_.fd.get(), 0, 0}, {-1, POLLIN, 0}, {-1, POLLOUT, 0}, {signals_, POLLIN, 0}};
            if (pending_.empty()) polls[0].events |= POLLIN;
            if (!to_engine_.empty()) polls[0].events |= POLLOUT;
            if (polls[0].events == 0 || ended_) polls[0].fd = -1;
            if (input_open_ && to_engine_.size() < input_bytes_max && !ended_) polls[1].fd = STDIN_FILENO;
            if (!pending_.empty()) polls[2].fd = pending_.front().first;
            if (::poll(polls, 4, -1) < 0) {
                if (errno == EINTR) continue;
                return fail_errno(errno, "poll");
            }
            if (polls[3].revents != 0) signal();
            if (polls[2].revents != 0) write_pending();
            if (polls[1].revents != 0 && read_input()) return SessionEnd::detached;
            if ((polls[0].revents & POLLOUT) != 0) send_input();
            if ((polls[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && pending_.empty()) {
                TRY_VOID(receive());
            }
        }
    }

private:
    Result<void> receive() {
        const ssize_t n = ::recv(stream_.fd.get(), buffer_.data(), buffer_.size(), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
        if (n <= 0) {  // a reset is an end as well: the engine says how the container ended
            ended_ = true;
            return {};
        }
        return take({buffer_.data(), static_cast<std::size_t>(n)});
    }

    Result<void> take(std::string_view bytes) {
        const auto queue = [this](int fd, std::string_view piece) {
            if (!pending_.empty() && pending_.back().first == fd)
                pending_.back().second.append(piece);
            else
                pending_.emplace_back(fd, std::string(piece));
        };
        if (options_.tty) {
            if (!bytes.empty()) queue(STDOUT_FILENO, bytes);
            return {};
        }
        return demultiplexer_.feed(bytes, queue);
    }

    void write_pending() {
        auto& [fd, text] = pending_.front();
        struct stat about {};
        const bool plain = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
        const std::size_t want = plain ? text.size() - written_ : std::min(pipe_write_bytes, text.size() - written_);
        const ssize_t n = ::write(fd, text.data() + written_, want);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
        written_ =
            n < 0 ? text.size() : written_ + static_cast<std::size_t>(n);  // a closed reader: the rest is dropped
        if (written_ < text.size()) return;
        written_ = 0;
        pending_.pop_front();
    }

    bool read_input() {
        const ssize_t n = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return false;
        if (n <= 0) {
            input_open_ = false;
            half_close_if_done();
            return false;
        }
        const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
        if (keys_on_) return keys_.feed(bytes, to_engine_);
        to_engine_.append(bytes);
        return false;
    }

    void send_input() {
        const ssize_t n = ::send(stream_.fd.get(), to_engine_.data() + sent_, to_engine_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (n < 0) {  // the container no longer reads
            input_open_ = false;
            to_engine_.clear();
            sent_ = 0;
            return;
        }
        sent_ += static_cast<std::size_t>(n);
        if (sent_ == to_engine_.size()) {
            to_engine_.clear();
            sent_ = 0;
        }
        half_close_if_done();
    }

    void half_close_if_done() {
        if (!input_open_ && to_engine_.empty()) ::shutdown(stream_.fd.get(), SHUT_WR);
    }

    void signal() {
        signalfd_siginfo info{};
        if (::read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
        const int number = static_cast<int>(info.ssi_signo);
        if (number == SIGWINCH) {
            if (options_.tty) session_resize(client_, options_.object);
            return;
        }
        if (options_.tty || !options_.signals) {  // ours to die of, with the terminal as it was
            RawMode::restore();
            sigset_t one;
            sigemptyset(&one);
            sigaddset(&one, number);
            ::signal(number, SIG_DFL);
            ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
            ::raise(number);
            return;
        }
        engine::ignore_result(client_.request("POST", options_.object + "/kill?signal=" + std::to_string(number)),
                              "it may have ended meanwhile");
    }

    Client& client_;
    const SessionOptions& options_;
    DetachKeys keys_;
    Hijacked stream_;
    int signals_;
    bool input_open_;
    bool keys_on_ = false;
    bool ended_ = false;
    Demultiplexer demultiplexer_;
    std::deque<std::pair<int, std::string>> pending_;
    std::size_t written_ = 0;
    std::string to_engine_;
    std::size_t sent_ = 0;
    std::vector<char> buffer_ = std::vector<char>(64 * 1024);
};

}  // namespace

UniqueFd session_signals(const SessionOptions& options) {
    return signal_events(options.signals && !options.tty, options.tty);
}

void session_resize(Client& client, const std::string& object) {
    winsize size{};
    if (!terminal_size(size)) return;
    engine::ignore_result(client.request("POST", object + "/resize?h=" + std::to_string(size.ws_row) +
                                                     "&w=" + std::to_string(size.ws_col)),
                          "it may have ended meanwhile");
}

Result<SessionEnd> session_run(Client& client, Hijacked stream, const SessionOptions& options, int signals) {
    std::unique_ptr<RawMode> raw;
    if (options.tty && options.input && ::isatty(STDIN_FILENO) == 1) raw = std::make_unique<RawMode>(STDIN_FILENO);
    return Pump(client, std::move(stream), options, signals).run();
}

Result<void> write_out(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            pollfd one{fd, POLLOUT, 0};
            ::poll(&one, 1, -1);
            continue;
        }
        if (n < 0) return fail_errno(errno, "write");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

}  // namespace dockerc
