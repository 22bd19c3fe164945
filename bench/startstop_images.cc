#include <memory>

#include "bench/image_tar.h"
#include "bench/startstop.h"

namespace bench {
namespace {

constexpr const char* kWays = "startstop-ways";
constexpr int kLayers = 6;
constexpr int kFilesPerLayer = 8;
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;

// One engine's way of each verb, with another connection that asks `/_ping` all the while.
class Ways {
public:
    Ways(const std::string& engine, const std::string& socket)
        : engine_(engine), connection_(socket), pings_(socket) {}

    Response ask(std::string_view method, const std::string& target, std::string_view body = {},
                 std::string_view type = "application/json") {
        Response answer;
        connection_.request(method, target, body, [&](const Response& r) { answer = r; }, type);
        drive({&connection_}, &pings_.connection(), [this] { return pings_.tick(); });
        return answer;
    }
    // Its milliseconds go to the samples; a stream of progress that tells of an error is one.
    Response timed(Samples& samples, std::initializer_list<int> good, std::string_view method,
                   const std::string& target, std::string_view body = {}, std::string_view type = "application/json") {
        const std::int64_t began = now_ns();
        const Response answer = ask(method, target, body, type);
        samples.ns.push_back(now_ns() - began);
        expect(answer, good, target);
        if (answer.body.find("errorDetail") != std::string::npos) fail(target + ": " + answer.body.substr(0, 300));
        return answer;
    }
    // The same, for an answer of which only the length counts.
    void counted(Samples& samples, const std::string& target, std::size_t at_least) {
        std::size_t bytes = 0;
        connection_.set_sink([&](std::string_view part) { bytes += part.size(); });
        timed(samples, {200}, "GET", target);
        connection_.set_sink(nullptr);
        if (bytes < at_least) fail(target + ": " + std::to_string(bytes) + " bytes only");
    }
    void told(const std::string& what, Samples& samples) { report(engine_, "images", what, samples); }
    void told_pings() { report(engine_, "images", "/_ping meanwhile", pings_.samples()); }

private:
    std::string engine_;
    Connection connection_;
    Pinger pings_;
};

// Layers that no engine and no registry has seen.
std::string many_layers(const std::string& name, std::size_t total_bytes) {
    std::vector<std::string> layers;
    for (int i = 0; i < kLayers; ++i)
        layers.push_back(small_files_layer(kFilesPerLayer, total_bytes / kLayers, static_cast<unsigned>(now_ns())));
    return docker_archive(name, layers);
}

void save_and_load(Ways& ways, long megabytes, int repeat) {
    Samples load;
    Samples save;
    const std::string name = std::string(kWays) + ":latest";
    const std::size_t bytes = static_cast<std::size_t>(megabytes) * 1'000'000;
    for (int i = 0; i < repeat; ++i) {
        const std::string archive = many_layers(name, bytes);
        ways.timed(load, {200}, "POST", "/images/load?quiet=1", archive, "application/x-tar");
        ways.counted(save, "/images/" + name + "/get", bytes);
        expect(ways.ask("DELETE", "/images/" + name), {200}, "remove of the image");
    }
    const std::string size = std::to_string(kLayers) + " layers, " + std::to_string(megabytes) + " MB";
    ways.told("load: " + size, load);
    ways.told("save: " + size, save);
}

void push_and_pull(Ways& ways, const std::string& registry, long megabytes, int repeat) {
    Samples push;
    Samples pull;
    const std::size_t bytes = static_cast<std::size_t>(megabytes) * 1'000'000;
    for (int i = 0; i < repeat; ++i) {
        const std::string name = registry + "/" + kWays + std::to_string(now_ns());
        const Response loaded =
            ways.ask("POST", "/images/load?quiet=1", many_layers(name + ":latest", bytes), "application/x-tar");
        expect(loaded, {200}, "load of the image");
        ways.timed(push, {200}, "POST", "/images/" + name + "/push?tag=latest", "{}");
        expect(ways.ask("DELETE", "/images/" + name + ":latest"), {200}, "remove of the image");
        ways.timed(pull, {200}, "POST", "/images/create?fromImage=" + name + "&tag=latest");
        expect(ways.ask("DELETE", "/images/" + name + ":latest"), {200}, "remove of the image");
    }
    const std::string size = std::to_string(kLayers) + " layers, " + std::to_string(megabytes) + " MB";
    ways.told("push: " + size, push);
    ways.told("pull: " + size, pull);
}

void commit_and_copy(Ways& ways, const std::string& image, int times) {
    const Response created = ways.ask("POST", "/containers/create", create_body(image, R"(["true"])"));
    expect(created, {201}, "create");
    const std::string id = json_string(created.body, "Id");
    Samples commit;
    Samples in;
    Samples out;
    for (int i = 0; i < times; ++i) {
        const Response made = ways.timed(commit, {201}, "POST", "/commit?container=" + id, "{}");
        expect(ways.ask("DELETE", "/images/" + json_string(made.body, "Id")), {200}, "remove of the image");
    }
    TarWriter tar;
    tar.file("one-megabyte", std::string(kCopyBytes, 'x'), 0644);
    const std::string archive = tar.finish();
    const std::string path = "/containers/" + id + "/archive?path=/tmp";
    for (int i = 0; i < times; ++i) {
        ways.timed(in, {200}, "PUT", path, archive, "application/x-tar");
        ways.counted(out, path + "/one-megabyte", kCopyBytes);
    }
    expect(ways.ask("DELETE", "/containers/" + id + "?force=1"), {204}, "remove");
    ways.told("commit, nothing changed", commit);
    ways.told("cp of 1 MiB in", in);
    ways.told("cp of 1 MiB out", out);
}

}  // namespace

void run_images(const std::string& name, const std::string& socket, const std::string& image, const ImagesMode& mode) {
    Ways ways(name, socket);
    save_and_load(ways, mode.megabytes, mode.repeat);
    if (!mode.registry.empty()) push_and_pull(ways, mode.registry, mode.megabytes, mode.repeat);
    commit_and_copy(ways, image, mode.times);
    ways.told_pings();
}

}  // namespace bench
