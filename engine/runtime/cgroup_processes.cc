#include "engine/runtime/cgroup_processes.h"

#include <charconv>
#include <filesystem>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

void read_pids(std::string_view text, std::vector<int>& out) {
    while (!text.empty()) {
        int pid = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
        if (parsed.ec == std::errc{} && pid > 0) out.push_back(pid);
        const std::size_t end = text.find('\n');
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace

Task<std::vector<int>> container_processes(const CgroupHost& host, std::string_view parent, std::string_view id) {
    std::vector<int> out;
    const auto roots = container_cgroup_directories(host, parent, id);
    if (roots.empty()) co_return out;
    // Every hierarchy has them all: one is enough.
    std::vector<std::string> directories = {roots[0]};
    std::error_code error;
    for (const auto& below : std::filesystem::recursive_directory_iterator(roots[0], error))
        if (below.is_directory(error)) directories.push_back(below.path());
    for (const std::string& directory : directories) {
        std::string path = directory + "/cgroup.procs";
        auto text = co_await io::read_file(std::move(path), kCgroupListBytes);
        if (text) read_pids(*text, out);
    }
    co_return out;
}

}  // namespace engine::runtime
