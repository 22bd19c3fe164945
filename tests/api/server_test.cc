// A real server on a unix socket over the real loop; clients are raw sockets in another thread.
#include "engine/api/server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "engine/api/body.h"
#include "engine/api/limits.h"
#include "engine/api/services.h"
#include "engine/reactor/event.h"
#include "engine/reactor/io.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

std::atomic<int> vanished = 0;

Task<void> echo(Services&, Request& request, Response& response) {
    std::string text;
    std::byte buffer[512];
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(auto got, co_await request.body->read(room));
        if (got == 0) break;
        text.append(reinterpret_cast<const char*>(buffer), got);
    }
    co_return co_await response.send(200, "text/plain", text);
}
Task<void> flood(Services&, Request&, Response& response) {
    CO_TRY_VOID(co_await response.begin(200, "application/octet-stream"));
    const std::string block(65536, 'x');
    const auto bytes = io::bytes_of(block);
    for (int i = 0; i < 64; ++i) {
        CO_TRY_VOID(co_await response.write(bytes));
    }
    co_return Result<void>{};
}
Task<void> wait(Services&, Request& request, Response&) {
    reactor::Event never;
    auto woken = co_await never.wait(request.stop);
    if (!woken) ++vanished;
    co_return std::move(woken);
}
Task<void> raw(Services&, Request&, Response& response) {
    CO_TRY(auto* stream, co_await response.hijack("application/vnd.docker.multiplexed-stream"));
    std::byte buffer[64];
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(auto got, co_await stream->read(room));
        if (got == 0) break;
        const std::span<const std::byte> bytes(buffer, got);
        CO_TRY_VOID(co_await stream->write(bytes));
    }
    const auto end = io::bytes_of("end");
    co_return co_await stream->write(end);
}
Task<void> json(Services&, Request& request, Response& response) {
    CO_TRY(auto body, co_await read_whole_body(request));
    const std::string_view text = body;
    co_return co_await response.send(200, "text/plain", text);
}
Task<void> error(Services&, Request&, Response&) { co_return fail(ErrorKind::conflict, "in use <here>"); }
Task<void> name(Services&, Request& request, Response& response) {
    const std::string_view text = request.path;
    co_return co_await response.send(200, "text/plain", text);
}

constexpr Route table[] = {
    {"POST", "/echo", echo}, {"GET", "/flood", flood, Watch::client}, {"GET", "/wait", wait, Watch::client},
    {"POST", "/raw", raw},   {"POST", "/json", json},
     {"GET", "/error", error},                {"GET", "/{}", name},
    {"HEAD", "/{}", name},
};

class ServerTest : public testing::Test {
protected:
    void SetUp() override {
        path_ = "/tmp/server_test." + std::to_string(getpid()) + ".sock";
        ASSERT_EQ(pipe(quit_), 0);
        std::promise<bool> up;
        auto ready = up.get_future();
        thread_ = std::thread([this, &up] {
            auto loop = reactor::Loop::create({});
            CHECK(loop.has_value());
            auto listeners = listen_on("unix://" + path_, "no-such-group");
            CHECK(listeners.has_value());
            reactor::StopSource stop;
            Services services;
            Server server(Router(table, &services), stop.token(), patience_);
            server.serve(std::move(listeners->front()));
            up.set_value(true);
            auto ran = (*loop)->run(main(server, quit_[0]));
            EXPECT_TRUE(ran.has_value());
        });
        ready.wait();
    }
    void TearDown() override {
        ASSERT_EQ(::write(quit_[1], "q", 1), 1);
        thread_.join();
        close(quit_[0]);
        close(quit_[1]);
        EXPECT_NE(access(path_.c_str(), F_OK), 0);
    }
    static Task<void> main(Server& server, int fd) {
        std::byte byte[1];
        const std::span<std::byte> room(byte);
        CO_TRY_VOID(co_await io::read(fd, room));
        co_return co_await server.close();
    }
    UniqueFd dial() {
        UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, path_.size());
        EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    static void say(const UniqueFd& fd, std::string_view text) {
        while (!text.empty()) {
            const ssize_t n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    // Until `mark` has been seen, the server closes, or five seconds pass.
    static std::string hear(const UniqueFd& fd, std::string_view mark) {
        std::string text;
        char buffer[65536];
        pollfd ready{fd.get(), POLLIN, 0};
        while (text.find(mark) == std::string::npos && poll(&ready, 1, 5000) == 1) {
            const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
            if (n <= 0) return text + "<closed>";
            text.append(buffer, static_cast<std::size_t>(n));
        }
        return text;
    }
    std::string ask(std::string_view request, std::string_view mark) {
        const UniqueFd fd = dial();
        say(fd, request);
        return hear(fd, mark);
    }
    bool alive() { return ask("GET /alive HTTP/1.1\r\nHost: x\r\n\r\n", "/alive").ends_with("/alive"); }

    Patience patience_;
    std::string path_;
    int quit_[2];
    std::thread thread_;
};

TEST_F(ServerTest, AnswersCarryDockersHeaders) {
    const std::string answer = ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n/a");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    for (const char* header :
         {"Api-Version: 1.51\r\n", "Docker-Experimental: false\r\n", "Ostype: linux\r\n", "Content-Length: 2\r\n"})
        EXPECT_NE(answer.find(header), std::string::npos) << header;
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
    const std::string answer =
        ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /3 "
            "HTTP/1.1\r\nHost: "
            "x\r\nConnection: close\r\n\r\n",
            "\r\n\r\n/3");
    EXPECT_LT(answer.find("\r\n\r\n/1"), answer.find("\r\n\r\nabc"));
    EXPECT_LT(answer.find("\r\n\r\nabc"), answer.find("\r\n\r\n/3"));
}

TEST_F(ServerTest, BytesThatArriveOneByOne) {
    const UniqueFd fd = dial();
    for (const char c :
         std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) {
        say(fd, {&c, 1});
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    EXPECT_TRUE(hear(fd, "\r\n\r\nabc").ends_with("abc"));
}

TEST_F(ServerTest, HeadHasNoBody) {
    const std::string answer = ask("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "<closed>");
    EXPECT_NE(answer.find("Content-Length: 2"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n<closed>"));
}

TEST_F(ServerTest, ErrorsAreMessages) {
    const std::string answer = ask("GET /error HTTP/1.1\r\nHost: x\r\n\r\n", "}\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 409 Conflict\r\n"));
    EXPECT_NE(answer.find("{\"message\":\"in use \\u003chere\\u003e\"}\n"), std::string::npos);
}

TEST_F(ServerTest, MalformedRequestsAreRefused) {
    for (const char* bad :
         {"GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"}) {
        const std::string answer = ask(bad, "<closed>");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << bad << answer;
        EXPECT_TRUE(answer.ends_with("<closed>")) << bad;
    }
    EXPECT_TRUE(alive());
}

TEST_F(ServerTest, HugeHeadersAre431) {
    const std::string answer =
        ask("GET / HTTP/1.1\r\nHost: x\r\nBig: " + std::string(header_bytes_max + 1, 'a') + "\r\n\r\n", "\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
    EXPECT_TRUE(alive());
}

TEST_F(ServerTest, ExpectIsAnsweredBeforeTheBody) {
    const UniqueFd fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abc");
    EXPECT_TRUE(hear(fd, "\r\n\r\nabc").ends_with("abc"));
}

TEST_F(ServerTest, StreamsAreChunked) {
    const std::string answer = ask("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n0\r\n\r\n");
    EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_NE(answer.find("\r\n\r\n10000\r\nxxx"), std::string::npos);
    EXPECT_GT(answer.size(), 64u * 65536);
}

TEST_F(ServerTest, AClientThatNeverReadsStallsOnlyItself) {
    const UniqueFd deaf = dial();
    say(deaf, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    const UniqueFd half = dial();
    say(half, "GET /half HTTP/1.1\r\nHo");
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(alive());
}

TEST_F(ServerTest, AVanishedClientStopsItsHandler) {
    {
        const UniqueFd fd = dial();
        say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_TRUE(alive());
        EXPECT_EQ(vanished, 0);
    }
    for (int i = 0; i < 500 && vanished == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(vanished, 1);
}

TEST_F(ServerTest, HijackGivesRawBytesAndHalfClose) {
    for (const char* upgrade : {"", "Connection: Upgrade\r\nUpgrade: tcp\r\n"}) {
        const UniqueFd fd = dial();
        say(fd, std::string("POST /raw HTTP/1.1\r\nHost: x\r\n") + upgrade + "\r\nearly");
        const std::string head = hear(fd, "early");
        EXPECT_TRUE(head.starts_with(*upgrade ? "HTTP/1.1 101 UPGRADED\r\n" : "HTTP/1.1 200 OK\r\n")) << head;
        EXPECT_TRUE(head.ends_with("\r\n\r\nearly")) << head;
        say(fd, "GET / late");
        EXPECT_EQ(hear(fd, "late"), "GET / late");
        shutdown(fd.get(), SHUT_WR);
        EXPECT_EQ(hear(fd, "<closed>"), "end<closed>");
    }
}

// Both ends of every connection are ours.
bool allow_descriptors(rlim_t wanted) {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max < wanted) return false;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

TEST_F(ServerTest, ConnectionsAreLimited) {
    if (!allow_descriptors(2 * connections_max + 100)) GTEST_SKIP() << "too few descriptors are allowed here";
    std::vector<UniqueFd> held;
    while (held.size() < connections_max) held.push_back(dial());
    EXPECT_TRUE(ask("", "<closed>").starts_with("HTTP/1.1 503 "));
    const auto answers = [&](const UniqueFd& fd) {
        say(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        return hear(fd, "/x").ends_with("/x");
    };
    EXPECT_TRUE(answers(held.front()));
    EXPECT_TRUE(answers(held.back()));
    held.resize(connections_max / 2);
    bool served = false;
    for (int i = 0; i < 500 && !served; ++i) {
        served = alive();
        if (!served) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(served);
}

TEST_F(ServerTest, AJsonBodyIsLimited) {
    const std::string answer = ask("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                       std::to_string(json_body_bytes_max + 1) + "\r\n\r\n" +
                                       std::string(json_body_bytes_max + 1, ' '),
                                   "\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
    EXPECT_TRUE(alive());
}

// Nobody reads the body: a small one is skipped, a large one ends the connection.
TEST_F(ServerTest, AnUnreadBodyIsSkippedOrCutOff) {
    const auto request = [](std::size_t bytes) {
        return "GET /1 HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
               std::string(bytes, 'b') + "GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    };
    EXPECT_NE(ask(request(1000), "<closed>").find("\r\n\r\n/2"), std::string::npos);
    EXPECT_EQ(ask(request(4 * body_drain_max), "<closed>").find("\r\n\r\n/2"), std::string::npos);
    EXPECT_TRUE(alive());
}

TEST_F(ServerTest, AClientThatLeavesInItsBody) {
    for (const char* head : {"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
                             "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
        const UniqueFd fd = dial();
        say(fd, std::string("POST /echo HTTP/1.1\r\nHost: x\r\n") + head);
        shutdown(fd.get(), SHUT_WR);
        EXPECT_TRUE(hear(fd, "<closed>").ends_with("<closed>"));
    }
    EXPECT_TRUE(alive());
}

TEST_F(ServerTest, ALiveSocketIsRefused) {
    auto again = listen_on("unix://" + path_, "no-such-group");
    EXPECT_FALSE(again.has_value());
    EXPECT_TRUE(alive());
}

class ImpatientServerTest : public ServerTest {
protected:
    ImpatientServerTest() { patience_ = {.idle = 300 * millisecond, .head = 100 * millisecond}; }
};

TEST_F(ImpatientServerTest, AnIdleClientIsLetGoOf) {
    const UniqueFd silent = dial();
    EXPECT_EQ(hear(silent, "<closed>"), "<closed>");
    const UniqueFd used = dial();
    say(used, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(hear(used, "\r\n\r\n/a").ends_with("/a"));
    EXPECT_EQ(hear(used, "<closed>"), "<closed>");
}

TEST_F(ImpatientServerTest, HalfAHeadIs408) {
    const std::string answer = ask("GET /a HTTP/1.1\r\nHost:", "<closed>");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n")) << answer;
    EXPECT_NE(answer.find("did not come in time"), std::string::npos);
}

// The whole head has its time once: a byte now and then does not extend it.
TEST_F(ImpatientServerTest, ADripOfBytesIsCutOff) {
    const UniqueFd fd = dial();
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        say(fd, i == 0 ? "GET /a HTTP/1.1\r\nX: " : "x");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        pollfd ready{fd.get(), POLLIN, 0};
        if (poll(&ready, 1, 0) == 1) break;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
    EXPECT_TRUE(hear(fd, "<closed>").starts_with("HTTP/1.1 408 "));
}

// What takes its time is the answer, not the client.
TEST_F(ImpatientServerTest, AnAnswerMayTakeLong) {
    const UniqueFd fd = dial();
    say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    pollfd ready{fd.get(), POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 600), 0);
}

}  // namespace
}  // namespace engine::api
