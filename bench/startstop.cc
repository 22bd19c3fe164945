// Measures any engine that speaks the Docker API on a unix socket: see bench/README.md.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/http_client.h"
#include "bench/image_tar.h"
#include "bench/processes.h"
#include "bench/startstop.h"

namespace bench {
namespace {

constexpr const char* kImage = "startstop-busybox:latest";
constexpr const char* kLinesImage = "startstop-lines:latest";
constexpr const char* kFilesImage = "startstop-files:latest";
constexpr std::size_t kLinesBytes = std::size_t{79} * 200'000;

struct Options {
    std::vector<std::pair<std::string, std::string>> sockets;  // name, path
    std::map<std::string, std::vector<pid_t>> pids;
    std::map<std::string, std::string> engines;
    std::vector<std::string> modes;
    std::string image;
    std::string busybox = "/bin/busybox";
    std::string scratch = "/var/tmp";
    std::string json;
    int lives = 200;
    int callers = 16;
    int containers = 100;
    int hold = 10;
    long log_mib = 128;
    int files = 20'000;
    long files_mb = 99;
    int repeat = 3;
    std::string registry;
    long layers_mb = 96;
    int times = 50;
    int listeners = 100;
};

struct Row {
    std::string engine, mode, what, unit;
    std::size_t count;
    double p50, p99;
};
std::vector<Row> rows;
std::string network_mode = "none";
std::string published;   // ,"PortBindings":{...}

}  // namespace

void report(const std::string& engine, const std::string& mode, const std::string& what, Samples& samples) {
    rows.push_back({engine, mode, what, "ms", samples.ns.size(), samples.at(50), samples.at(99)});
}

void report(const std::string& engine, const std::string& mode, const std::string& what, const char* unit,
            double value) {
    rows.push_back({engine, mode, what, unit, 1, value, value});
}

// The string value of KEY in a flat JSON answer; enough for {"Id":"..."}.
std::string json_string(const std::string& body, const std::string& key) {
    std::size_t at = body.find("\"" + key + "\"");
    if (at == std::string::npos) return {};
    std::size_t open = body.find('"', body.find(':', at));
    std::size_t close = body.find('"', open + 1);
    return close == std::string::npos ? std::string() : body.substr(open + 1, close - open - 1);
}

std::string create_body(const std::string& image, const std::string& command, const std::string& more) {
    return "{\"Image\":\"" + image + "\",\"Cmd\":" + command + ",\"HostConfig\":{\"NetworkMode\":\"" + network_mode +
           "\"" + more + "}}";
}

void expect(const Response& response, std::initializer_list<int> good, const std::string& what) {
    if (std::find(good.begin(), good.end(), response.status) != good.end()) return;
    fail(what + ": " + std::to_string(response.status) + " " + response.body.substr(0, 300));
}

int Pinger::tick() {
    constexpr std::int64_t every_ns = 5'000'000;
    const std::int64_t now = now_ns();
    if (!connection_.busy() && now - asked_ >= every_ns) {
        asked_ = now;
        connection_.request("GET", "/_ping", {}, [this](const Response& r) {
            expect(r, {200}, "ping");
            samples_.ns.push_back(now_ns() - asked_);
        });
    }
    return connection_.busy() ? -1 : static_cast<int>((every_ns - (now - asked_)) / 1'000'000) + 1;
}

void load_image(Connection& connection, const std::string& archive) {
    Response response = call(connection, "POST", "/images/load?quiet=1", archive, "application/x-tar");
    expect(response, {200}, "load of the image");
    if (response.body.find("errorDetail") != std::string::npos)
        fail("load of the image: " + response.body.substr(0, 300));
}

namespace {

// One caller: create, start, wait, remove, over and over on one connection until the shared count is used up.
class Caller {
public:
    static constexpr const char* kSteps[] = {"create", "start", "wait", "remove", "life"};

    Caller(const std::string& socket, const std::string& body, int& left, Samples* steps)
        : connection_(socket), body_(body), left_(left), steps_(steps) {}
    Connection* connection() { return &connection_; }

    void begin() {
        if (left_ <= 0) return;
        --left_;
        born_ = step_began_ = now_ns();
        connection_.request("POST", "/containers/create", body_, [this](const Response& r) {
            step(0, r, 201);
            id_ = json_string(r.body, "Id");
            start();
        });
    }

private:
    void start() {
        connection_.request("POST", "/containers/" + id_ + "/start", {}, [this](const Response& r) {
            step(1, r, 204);
            wait();
        });
    }
    void wait() {
        connection_.request("POST", "/containers/" + id_ + "/wait", {}, [this](const Response& r) {
            step(2, r, 200);
            if (r.body.find("\"StatusCode\":0") == std::string::npos) fail("container failed: " + r.body);
            remove();
        });
    }
    void remove() {
        connection_.request("DELETE", "/containers/" + id_, {}, [this](const Response& r) {
            step(3, r, 204);
            steps_[4].ns.push_back(step_began_ - born_);
            begin();
        });
    }
    void step(int number, const Response& response, int good) {
        expect(response, {good}, kSteps[number]);
        std::int64_t now = now_ns();
        steps_[number].ns.push_back(now - step_began_);
        step_began_ = now;
    }

    Connection connection_;
    const std::string& body_;
    int& left_;
    Samples* steps_;
    std::string id_;
    std::int64_t born_ = 0;
    std::int64_t step_began_ = 0;
};

void run_lives(const std::string& name, const std::string& socket, const std::string& body, int lives, int callers) {
    Samples steps[5];
    int left = lives;
    std::vector<std::unique_ptr<Caller>> all;
    std::vector<Connection*> connections;
    for (int i = 0; i < callers; ++i) {
        all.push_back(std::make_unique<Caller>(socket, body, left, steps));
        connections.push_back(all.back()->connection());
    }
    Pinger pings(socket);
    std::int64_t began = now_ns();
    for (auto& caller : all) caller->begin();
    drive(connections, &pings.connection(), [&] { return pings.tick(); });
    double seconds = static_cast<double>(now_ns() - began) / 1e9;
    std::string mode = callers == 1 ? "life" : "life x" + std::to_string(callers);
    for (int i = 0; i < 5; ++i) report(name, mode, Caller::kSteps[i], steps[i]);
    report(name, mode, "/_ping meanwhile", pings.samples());
    report(name, mode, "throughput", "lives/s", lives / seconds);
}

void run_life(const Options& options, const std::string& name, const std::string& socket, const std::string& image) {
    std::string body = create_body(image, R"(["true"])", published);
    int warm = std::min(3, options.lives);
    Samples ignored[5];
    Caller caller(socket, body, warm, ignored);
    caller.begin();
    drive({caller.connection()});
    run_lives(name, socket, body, options.lives, 1);
    if (options.callers > 1) run_lives(name, socket, body, options.lives, options.callers);
}

void run_density(const Options& options, const std::string& name, const std::string& socket, const std::string& image) {
    std::vector<pid_t> roots;
    if (auto given = options.pids.find(name); given != options.pids.end()) {
        roots = given->second;
    } else {
        roots = {listener_pid(socket)};
    }
    std::vector<pid_t> strangers = detached_helpers();
    double before = pss_kib(engine_processes(roots, strangers));
    Connection connection(socket);
    std::string body = create_body(image, R"(["sleep","1000000"])");
    std::vector<std::string> ids;
    std::vector<std::int64_t> starts;
    for (int i = 0; i < options.containers; ++i) {
        Response created = call(connection, "POST", "/containers/create", body);
        expect(created, {201}, "create");
        ids.push_back(json_string(created.body, "Id"));
        std::int64_t began = now_ns();
        expect(call(connection, "POST", "/containers/" + ids.back() + "/start"), {204}, "start");
        starts.push_back(now_ns() - began);
    }
    sleep(2);  // what is still settling is not idle
    std::vector<pid_t> pids = engine_processes(roots, strangers);
    double after = pss_kib(pids);
    long ticks = cpu_ticks(pids);
    sleep(static_cast<unsigned>(options.hold));
    ticks = cpu_ticks(pids) - ticks;
    for (const std::string& id : ids)
        expect(call(connection, "DELETE", "/containers/" + id + "?force=1"), {204}, "remove");

    report(name, "density", "containers", "", options.containers);
    report(name, "density", "engine processes", "", static_cast<double>(pids.size()));
    report(name, "density", "PSS empty", "KiB", before);
    report(name, "density", "PSS per container", "KiB", (after - before) / options.containers);
    report(name, "density", "CPU idle, " + std::to_string(options.hold) + " s", "ticks", static_cast<double>(ticks));
    if (starts.size() >= 25) {  // medians of ten starts around the tenth, and of the last ten
        Samples early{{starts.begin() + 5, starts.begin() + 15}};
        Samples late{{starts.end() - 10, starts.end()}};
        report(name, "density", "start, containers 6-15", early);
        report(name, "density", "start, last ten", late);
    }
}

// Takes the 8-byte frame headers out of a log stream and counts the rest.
struct FrameCounter {
    std::uint64_t payload = 0;
    std::uint32_t left = 0;
    unsigned char header[8] = {};
    std::size_t have = 0;

    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            if (left > 0) {
                std::size_t n = std::min<std::size_t>(left, bytes.size());
                payload += n;
                left -= static_cast<std::uint32_t>(n);
                bytes.remove_prefix(n);
                continue;
            }
            header[have++] = static_cast<unsigned char>(bytes[0]);
            bytes.remove_prefix(1);
            if (have < sizeof header) continue;
            have = 0;
            left = static_cast<std::uint32_t>(header[4]) << 24 | static_cast<std::uint32_t>(header[5]) << 16 |
                   static_cast<std::uint32_t>(header[6]) << 8 | header[7];
        }
    }
};

void run_logs(const Options& options, const std::string& name, const std::string& socket) {
    Connection connection(socket);
    load_image(connection, docker_archive(kLinesImage, {busybox_layer(options.busybox, kLinesBytes)}));
    auto times = std::max(1UL, static_cast<unsigned long>(options.log_mib) * 1024 * 1024 / kLinesBytes);
    std::string command = "[\"cat\"";
    for (unsigned long i = 0; i < times; ++i) command += ",\"/lines\"";
    command += "]";
    std::string log = R"(,"LogConfig":{"Type":"json-file","Config":{"max-size":"4g","max-file":"1"}})";
    Response created = call(connection, "POST", "/containers/create", create_body(kLinesImage, command, log));
    expect(created, {201}, "create");
    std::string id = json_string(created.body, "Id");
    double megabytes = static_cast<double>(times * kLinesBytes) / 1e6;

    std::int64_t began = now_ns();
    expect(call(connection, "POST", "/containers/" + id + "/start"), {204}, "start");
    expect(call(connection, "POST", "/containers/" + id + "/wait"), {200}, "wait");
    double in = megabytes / (static_cast<double>(now_ns() - began) / 1e9);

    FrameCounter counter;
    connection.set_sink([&](std::string_view bytes) { counter.take(bytes); });
    began = now_ns();
    expect(call(connection, "GET", "/containers/" + id + "/logs?stdout=1&stderr=1"), {200}, "logs");
    double out = megabytes / (static_cast<double>(now_ns() - began) / 1e9);
    connection.set_sink(nullptr);
    expect(call(connection, "DELETE", "/containers/" + id + "?force=1"), {204}, "remove");
    call(connection, "DELETE", std::string("/images/") + kLinesImage);
    report(name, "logs", "container to json-file", "MB/s", in);
    report(name, "logs", "GET logs", "MB/s", out);
    if (counter.payload != times * kLinesBytes) {
        fail("GET logs gave " + std::to_string(counter.payload) + " bytes of " + std::to_string(times * kLinesBytes));
    }
}

std::int64_t time_command(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::int64_t began = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv.data());
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) fail(words[0] + " failed");
    return now_ns() - began;
}

void run_load(const Options& options, const std::string& name, const std::string& socket) {
    Connection connection(socket);
    Samples tar;
    Samples load;
    std::filesystem::path dir = options.scratch + "/startstop-" + std::to_string(getpid());
    for (int i = 0; i < options.repeat; ++i) {
        auto seed = static_cast<unsigned>(now_ns());  // an engine may know a layer that it has seen
        std::string layer =
            small_files_layer(options.files, static_cast<std::size_t>(options.files_mb) * 1'000'000, seed);
        std::string archive = docker_archive(kFilesImage, {layer});
        std::filesystem::create_directories(dir / "out");
        std::ofstream(dir / "layer.tar", std::ios::binary) << layer;
        tar.ns.push_back(time_command({"tar", "-xf", dir / "layer.tar", "-C", dir / "out"}));
        std::filesystem::remove_all(dir);
        std::int64_t began = now_ns();
        load_image(connection, archive);
        load.ns.push_back(now_ns() - began);
        expect(call(connection, "DELETE", std::string("/images/") + kFilesImage), {200}, "remove of the image");
    }
    std::string size = std::to_string(options.files) + " files, " + std::to_string(options.files_mb) + " MB";
    report(name, "load", "tar -x: " + size, tar);
    report(name, "load", "load: " + size, load);
}

// An engine of the command that --engine gives, until it answers.
class OwnEngine {
public:
    OwnEngine(const Options& options, const std::string& name, const std::string& socket) : socket_(socket) {
        auto engine = options.engines.find(name);
        if (engine == options.engines.end()) fail("this mode needs --engine " + name + "=COMMAND");
        command_ = "exec " + engine->second;
    }
    // How long it took to the first ping.
    std::int64_t start() {
        const std::int64_t began = now_ns();
        pid_ = fork();
        if (pid_ == 0) {
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);
            for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
            execl("/bin/sh", "sh", "-c", command_.c_str(), nullptr);
            _exit(127);
        }
        Connection connection(socket_);
        while (call(connection, "GET", "/_ping").status != 200) {
            if (now_ns() - began > 60'000'000'000) fail("the engine did not answer within 60 s");
            if (waitpid(pid_, nullptr, WNOHANG) == pid_) fail("the engine ended by itself");
            usleep(200);
        }
        return now_ns() - began;
    }
    void end(int signal) {
        kill(pid_, signal);
        waitpid(pid_, nullptr, 0);
    }

private:
    std::string socket_, command_;
    pid_t pid_ = -1;
};

void run_start(const Options& options, const std::string& name, const std::string& socket) {
    OwnEngine engine(options, name, socket);
    Samples samples;
    for (int i = 0; i < options.repeat; ++i) {
        samples.ns.push_back(engine.start());
        engine.end(SIGTERM);
    }
    report(name, "start", "engine start to first ping", samples);
}

// Engines are killed while containers run, and the next one answers.
void run_takeover(const Options& options, const std::string& name, const std::string& socket) {
    OwnEngine engine(options, name, socket);
    engine.start();
    std::vector<std::string> ids;
    {
        Connection connection(socket);
        load_image(connection, docker_archive(kImage, {busybox_layer(options.busybox, 0)}));
        for (int i = 0; i < options.containers; ++i) {
            const Response created =
                call(connection, "POST", "/containers/create", create_body(kImage, R"(["sleep","1000000"])"));
            expect(created, {201}, "create");
            ids.push_back(json_string(created.body, "Id"));
            expect(call(connection, "POST", "/containers/" + ids.back() + "/start"), {204}, "start");
        }
    }
    Samples ping, list, inspect;
    for (int i = 0; i < options.repeat; ++i) {
        engine.end(SIGKILL);
        ping.ns.push_back(engine.start());
        const std::int64_t began = now_ns();
        Connection connection(socket);
        const Response listed = call(connection, "GET", "/containers/json");
        list.ns.push_back(ping.ns.back() + now_ns() - began);
        for (const std::string& id : ids)
            if (listed.body.find(id) == std::string::npos) fail("a container is not in the list after the takeover");
        expect(call(connection, "GET", "/containers/" + ids.back() + "/json"), {200}, "inspect");
        inspect.ns.push_back(ping.ns.back() + now_ns() - began);
    }
    {
        Connection connection(socket);
        for (const std::string& id : ids)
            expect(call(connection, "DELETE", "/containers/" + id + "?force=1"), {204}, "remove");
        call(connection, "DELETE", std::string("/images/") + kImage);
    }
    engine.end(SIGTERM);
    const std::string of = ", " + std::to_string(options.containers) + " run";
    report(name, "takeover", "first ping" + of, ping);
    report(name, "takeover", "whole list" + of, list);
    report(name, "takeover", "first inspect" + of, inspect);
}

void print_table() {
    printf("%-12s %-9s %-32s %8s %12s %12s  %s\n", "engine", "mode", "what", "n", "p50", "p99", "unit");
    for (const Row& row : rows) {
        printf("%-12s %-9s %-32s %8zu %12.3f ", row.engine.c_str(), row.mode.c_str(), row.what.c_str(), row.count,
               row.p50);
        if (row.count > 1) {
            printf("%12.3f  %s\n", row.p99, row.unit.c_str());
        } else {
            printf("%12s  %s\n", "", row.unit.c_str());
        }
    }
}

void write_json(const std::string& path) {
    FILE* out = path == "-" ? stdout : fopen(path.c_str(), "we");
    if (!out) fail("cannot write " + path);
    fputs("[", out);
    const char* comma = "\n";
    for (const Row& row : rows) {
        fprintf(
            out,
            "%s{\"engine\":\"%s\",\"mode\":\"%s\",\"what\":\"%s\",\"n\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"unit\":\"%s\"}",
            comma, row.engine.c_str(), row.mode.c_str(), row.what.c_str(), row.count, row.p50, row.p99,
            row.unit.c_str());
        comma = ",\n";
    }
    fputs("\n]\n", out);
    if (out != stdout) fclose(out);
}

[[noreturn]] void usage() {
    fputs(
        "usage: startstop --socket NAME=PATH... [MODE...]\n"
        "modes: life exec verbs echo events density logs load images start takeover (default: life)\n"
        "  --lives N (200)  --callers C (16)       life, exec: sequential, then C at once\n"
        "  --containers N (100)  --hold S (10)     density\n"
        "  --pid-of NAME=PID[,PID]                 density: the engine's processes (default: who listens)\n"
        "  --log-mib N (128)                       logs\n"
        "  --files N (20000)  --files-mb N (99)    load\n"
        "  --scratch DIR (/var/tmp)                load: where tar -x unpacks; the engine's filesystem\n"
        "  --layers-mb N (96)                      images: of six layers; --times commits and copies\n"
        "  --registry HOST:PORT                    images: push and pull too\n"
        "  --times N (50)  --listeners N (100)     verbs, echo, events; events\n"
        "  --engine NAME=COMMAND                   start, takeover (of --containers)\n"
        "  --repeat N (3)                          load, images, start, takeover\n"
        "  --network NAME (none)                   of the containers\n"
        "  --publish PORT|RANGE                    life: of port 80\n"
        "  --image IMAGE  --busybox FILE  --json FILE\n",
        stderr);
    exit(2);
}

std::pair<std::string, std::string> split(const std::string& text) {
    std::size_t at = text.find('=');
    if (at == std::string::npos || at == 0) usage();
    return {text.substr(0, at), text.substr(at + 1)};
}

Options parse(int argc, char** argv) {
    Options options;
    std::map<std::string, std::function<void(const std::string&)>> take{
        {"--socket", [&](const std::string& v) { options.sockets.push_back(split(v)); }},
        {"--engine", [&](const std::string& v) { options.engines.insert(split(v)); }},
        {"--pid-of",
         [&](const std::string& v) {
             auto [name, list] = split(v);
             for (std::size_t at = 0; at < list.size();) {
                 std::size_t comma = std::min(list.find(',', at), list.size());
                 options.pids[name].push_back(atoi(list.substr(at, comma - at).c_str()));
                 at = comma + 1;
             }
         }},
        {"--network", [&](const std::string& v) { network_mode = v; }},
        {"--publish",
         [&](const std::string& v) { published = R"(,"PortBindings":{"80/tcp":[{"HostPort":")" + v + "\"}]}"; }},
        {"--image", [&](const std::string& v) { options.image = v; }},
        {"--busybox", [&](const std::string& v) { options.busybox = v; }},
        {"--scratch", [&](const std::string& v) { options.scratch = v; }},
        {"--json", [&](const std::string& v) { options.json = v; }},
        {"--lives", [&](const std::string& v) { options.lives = atoi(v.c_str()); }},
        {"--callers", [&](const std::string& v) { options.callers = atoi(v.c_str()); }},
        {"--containers", [&](const std::string& v) { options.containers = atoi(v.c_str()); }},
        {"--hold", [&](const std::string& v) { options.hold = atoi(v.c_str()); }},
        {"--log-mib", [&](const std::string& v) { options.log_mib = atol(v.c_str()); }},
        {"--files", [&](const std::string& v) { options.files = atoi(v.c_str()); }},
        {"--files-mb", [&](const std::string& v) { options.files_mb = atol(v.c_str()); }},
        {"--registry", [&](const std::string& v) { options.registry = v; }},
        {"--layers-mb", [&](const std::string& v) { options.layers_mb = atol(v.c_str()); }},
        {"--times", [&](const std::string& v) { options.times = atoi(v.c_str()); }},
        {"--listeners", [&](const std::string& v) { options.listeners = atoi(v.c_str()); }},
        {"--repeat", [&](const std::string& v) { options.repeat = atoi(v.c_str()); }},
    };
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (!word.starts_with("--")) {
            options.modes.push_back(word);
        } else if (auto found = take.find(word); found != take.end() && i + 1 < argc) {
            found->second(argv[++i]);
        } else {
            usage();
        }
    }
    bool sane = options.lives > 0 && options.callers > 0 && options.containers > 0 && options.hold > 0 &&
                options.log_mib > 0 && options.files > 0 && options.files_mb > 0 && options.repeat > 0 &&
                options.layers_mb > 0 && options.times > 0 && options.listeners > 0;
    if (options.sockets.empty() || !sane) usage();
    if (options.modes.empty()) options.modes = {"life"};
    return options;
}

int run(int argc, char** argv) {
    Options options = parse(argc, argv);
    for (const auto& [name, socket] : options.sockets) {
        std::vector<std::string> modes = options.modes;
        // The engine does not run yet while its start is measured, so that goes first.
        if (std::erase(modes, "start") > 0) run_start(options, name, socket);
        if (std::erase(modes, "takeover") > 0) run_takeover(options, name, socket);
        if (modes.empty()) continue;
        Connection connection(socket);
        std::string image = options.image;
        if (image.empty()) {
            image = kImage;
            load_image(connection, docker_archive(image, {busybox_layer(options.busybox, 0)}));
        }
        for (const std::string& mode : modes) {
            if (mode == "life") {
                run_life(options, name, socket, image);
            } else if (mode == "exec") {
                run_exec(name, socket, image, options.lives, options.callers);
            } else if (mode == "verbs") {
                run_verbs(name, socket, image, options.times);
            } else if (mode == "echo") {
                run_echo(name, socket, image, options.times);
            } else if (mode == "events") {
                run_events(name, socket, image, options.listeners, options.times);
            } else if (mode == "density") {
                run_density(options, name, socket, image);
            } else if (mode == "logs") {
                run_logs(options, name, socket);
            } else if (mode == "load") {
                run_load(options, name, socket);
            } else if (mode == "images") {
                run_images(name, socket, image,
                           {options.registry, options.layers_mb, options.repeat, options.times});
            } else {
                usage();
            }
        }
        if (options.image.empty()) call(connection, "DELETE", std::string("/images/") + kImage);
    }
    print_table();
    if (!options.json.empty()) write_json(options.json);
    return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    return bench::run(argc, argv);
}
