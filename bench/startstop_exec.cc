#include <memory>

#include "bench/startstop.h"

namespace bench {
namespace {

constexpr const char* kBody = R"({"AttachStdout":true,"AttachStderr":true,"Cmd":["true"]})";
constexpr const char* kStart = R"({"Detach":false,"Tty":false})";

// As a client does: the exec is made and looked at on one connection, its stream is another one that ends with it.
class ExecCaller {
public:
    static constexpr const char* kSteps[] = {"create", "start to end", "inspect", "exec"};

    ExecCaller(const std::string& socket, const std::string& container, int& left, Samples* steps)
        : connection_(socket), stream_(socket), create_("/containers/" + container + "/exec"), left_(left),
          steps_(steps) {}
    std::vector<Connection*> connections() { return {&connection_, &stream_}; }

    void begin() {
        if (left_ <= 0) return;
        --left_;
        born_ = step_began_ = now_ns();
        connection_.request("POST", create_, kBody, [this](const Response& r) {
            step(0, r, 201);
            id_ = json_string(r.body, "Id");
            start();
        });
    }

private:
    void start() {
        stream_.request("POST", "/exec/" + id_ + "/start", kStart, [this](const Response& r) {
            step(1, r, 200);
            inspect();
        });
    }
    void inspect() {
        connection_.request("GET", "/exec/" + id_ + "/json", {}, [this](const Response& r) {
            step(2, r, 200);
            if (r.body.find("\"ExitCode\":0") == std::string::npos) fail("exec failed: " + r.body);
            steps_[3].ns.push_back(step_began_ - born_);
            begin();
        });
    }
    void step(int number, const Response& response, int good) {
        expect(response, {good}, kSteps[number]);
        const std::int64_t now = now_ns();
        steps_[number].ns.push_back(now - step_began_);
        step_began_ = now;
    }

    Connection connection_;
    Connection stream_;
    std::string create_;
    int& left_;
    Samples* steps_;
    std::string id_;
    std::int64_t born_ = 0;
    std::int64_t step_began_ = 0;
};

void run_callers(const std::string& name, const std::string& socket, const std::string& container, int lives,
                 int callers, bool told) {
    Samples steps[4];
    int left = lives;
    std::vector<std::unique_ptr<ExecCaller>> all;
    std::vector<Connection*> connections;
    for (int i = 0; i < callers; ++i) {
        all.push_back(std::make_unique<ExecCaller>(socket, container, left, steps));
        for (Connection* connection : all.back()->connections()) connections.push_back(connection);
    }
    Pinger pings(socket);
    const std::int64_t began = now_ns();
    for (auto& caller : all) caller->begin();
    drive(connections, &pings.connection(), [&] { return pings.tick(); });
    if (!told) return;
    const double seconds = static_cast<double>(now_ns() - began) / 1e9;
    const std::string mode = callers == 1 ? "exec" : "exec x" + std::to_string(callers);
    for (int i = 0; i < 4; ++i) report(name, mode, ExecCaller::kSteps[i], steps[i]);
    report(name, mode, "/_ping meanwhile", pings.samples());
    report(name, mode, "throughput", "execs/s", lives / seconds);
}

}  // namespace

void run_exec(const std::string& name, const std::string& socket, const std::string& image, int lives, int callers) {
    Connection connection(socket);
    const Response created =
        call(connection, "POST", "/containers/create", create_body(image, R"(["sleep","1000000"])"));
    expect(created, {201}, "create");
    const std::string id = json_string(created.body, "Id");
    expect(call(connection, "POST", "/containers/" + id + "/start"), {204}, "start");
    run_callers(name, socket, id, std::min(3, lives), 1, false);
    run_callers(name, socket, id, lives, 1, true);
    if (callers > 1) run_callers(name, socket, id, lives, callers, true);
    expect(call(connection, "DELETE", "/containers/" + id + "?force=1"), {204}, "remove");
}

}  // namespace bench
