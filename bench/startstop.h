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
void expect(const Response& response, std::initializer_list<int> good, const std::string& what);

// exec `true` in one running container: create, start attached, inspect; one caller, then CALLERS at once.
void run_exec(const std::string& name, const std::string& socket, const std::string& image, int lives, int callers);

}  // namespace bench
