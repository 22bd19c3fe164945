#include "engine/runtime/freezer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/runtime/cgroup_file.h"

namespace engine::runtime {
namespace {

constexpr int freeze_attempts = 250;   // at most 2.3 s: a process in the kernel may keep its group from stopping
constexpr Nanoseconds freeze_pause_first = 50 * microsecond;
constexpr Nanoseconds freeze_pause_most = 10 * millisecond;
constexpr int thaw_attempt = 50;       // v1: forking children slip through; after so many looks all are let go first
constexpr std::size_t freezer_file_bytes = 4096;

Task<void> set_frozen(std::string directory, bool v2, bool frozen) {
    std::string path = directory + (v2 ? "/cgroup.freeze" : "/freezer.state");
    std::string text = v2 ? (frozen ? "1" : "0") : (frozen ? "FROZEN" : "THAWED");
    auto written = co_await write_cgroup_file(std::move(path), std::move(text));
    co_return written;
}

}  // namespace

std::string freezer_directory(const CgroupHost& host, std::string_view parent, std::string_view id) {
    const auto directories = container_cgroup_directories(host, parent, id);
    for (std::size_t i = 0; i < host.hierarchies.size(); ++i) {
        const auto& words = host.hierarchies[i].controllers;
        if (host.v2 || std::find(words.begin(), words.end(), "freezer") != words.end()) return directories[i];
    }
    return {};
}

Task<bool> is_frozen(std::string directory, bool v2) {
    std::string path = directory + (v2 ? "/cgroup.events" : "/freezer.state");
    CO_TRY(const auto text, co_await io::read_file(std::move(path), freezer_file_bytes));
    co_return v2 ? text.find("frozen 1") != std::string::npos : text.starts_with("FROZEN");
}

Task<void> freeze(std::string directory, bool v2) {
    Nanoseconds pause = freeze_pause_first;
    for (int attempt = 1; attempt <= freeze_attempts; ++attempt) {
        if (!v2 && attempt % thaw_attempt == 0) {
            CO_TRY_VOID(co_await set_frozen(directory, v2, false));
        }
        if (!v2 || attempt == 1) {
            CO_TRY_VOID(co_await set_frozen(directory, v2, true));
        }
        CO_TRY(const bool frozen, co_await is_frozen(directory, v2));
        if (frozen) co_return Result<void>{};
        CO_TRY_VOID(co_await reactor::sleep_for(pause));
        pause = std::min(pause * 2, freeze_pause_most);
    }
    CO_TRY_VOID(co_await set_frozen(directory, v2, false));
    co_return fail(ErrorKind::timed_out, "unable to freeze: a process in " + directory + " does not stop");
}

Task<void> thaw(std::string directory, bool v2) {
    auto thawed = co_await set_frozen(std::move(directory), v2, false);
    co_return thawed;
}

void thaw_now(const CgroupHost& host, std::string_view parent, std::string_view id) {
    const std::string directory = freezer_directory(host, parent, id);
    const std::string_view text = host.v2 ? "0" : "THAWED";
    UniqueFd fd(open((directory + (host.v2 ? "/cgroup.freeze" : "/freezer.state")).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return;
    [[maybe_unused]] const ssize_t written = ::write(fd.get(), text.data(), text.size());
}

}  // namespace engine::runtime
