// Seccomp filters, each compiled once by a process of its own: that takes some 10 ms, which no turn of the loop has.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/reactor/event.h"
#include "engine/reactor/task.h"

namespace engine::runtime {

class SeccompCompiler {
public:
    using Filter = std::shared_ptr<const std::string>;  // sock_filter[] as bytes

    // `worker_path`: the binary that runs seccomp_worker_main for `worker seccomp CAPABILITIES`.
    explicit SeccompCompiler(std::string worker_path) : worker_path_(std::move(worker_path)) {}
    // profile: Docker's JSON, "" for the default one. Callers that ask for the same at once share the work.
    Task<Filter> filter(std::string profile, std::uint64_t capabilities);

private:
    static constexpr std::size_t kept_max = 64;  // then it starts afresh
    struct Entry {
        reactor::Event ready;
        Filter filter;        // none: it could not be compiled
        std::string problem;
    };
    Task<Filter> compile(std::string profile, std::uint64_t capabilities);

    std::string worker_path_;
    std::map<std::pair<std::string, std::uint64_t>, std::shared_ptr<Entry>> entries_;
};

// The other process: a profile on descriptor 0, 'F' and the filter or 'E' and what is wrong on descriptor 1.
int seccomp_worker_main(const char* capabilities);

}  // namespace engine::runtime
