// What the modes of startstop share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "bench/http_client.h"

namespace bench {

[[noreturn]] inline void fail(const std::string& sentence) {
    fprintf(stderr, "startstop: %s\n", sentence.c_str());
    exit(1);
}

struct Samples {
    std::vector<std::int64_t> ns;
    double at(std::size_t percent) {
        if (ns.empty()) return 0;
        std::sort(ns.begin(), ns.end());
        return static_cast<double>(ns[(ns.size() * percent + 99) / 100 - 1]) / 1e6;
    }
};

void report(const std::string& engine, const std::string& mode, const std::string& what, Samples& samples);
void report(const std::string& engine, const std::string& mode, const std::string& what, const char* unit,
            double value);

// The string value of KEY in a flat JSON answer; enough for {"Id":"..."}.
std::string json_string(const std::string& body, const std::string& key);
std::string create_body(const std::string& image, const std::string& command, const std::string& more = "");
void load_image(Connection& connection, const std::string& archive);
void expect(const Response& response, std::initializer_list<int> good, const std::string& what);

// A connection of its own that asks `/_ping` every 5 ms: given to drive() as its side connection, tick() as its tick.
class Pinger {
public:
    explicit Pinger(const std::string& socket) : connection_(socket) {}
    Connection& connection() { return connection_; }
    Samples& samples() { return samples_; }
    int tick();

private:
    Connection connection_;
    Samples samples_;
    std::int64_t asked_ = 0;
};

struct ImagesMode {
    std::string registry;  // host:port that the engine may speak HTTP to; "": no push and pull
    long megabytes = 0;
    int repeat = 0;
    int times = 0;  // commits and copies
};
// save, load, push and pull of an image of six layers; commit of an unchanged container, cp of one file.
void run_images(const std::string& name, const std::string& socket, const std::string& image, const ImagesMode& mode);

// exec `true` in one running container: create, start attached, inspect; one caller, then CALLERS at once.
void run_exec(const std::string& name, const std::string& socket, const std::string& image, int lives, int callers);

// ping, inspect, pause, unpause, kill of one running container.
void run_verbs(const std::string& name, const std::string& socket, const std::string& image, int times);
// A line typed at an attached terminal whose program prints it again; beside it the same with no engine.
void run_echo(const std::string& name, const std::string& socket, const std::string& image, int lines);
// One event until the last of `listeners` has it.
void run_events(const std::string& name, const std::string& socket, const std::string& image, int listeners,
                int times);

}  // namespace bench
