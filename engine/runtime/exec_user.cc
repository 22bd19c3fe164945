#include "engine/runtime/exec_user.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include "engine/reactor/io_openat2.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container.h"
#include "engine/runtime/linux/passwd.h"

namespace engine::runtime {
namespace {

constexpr std::size_t text_bytes_max = std::size_t{1} << 20;  // as the keeper's child reads
constexpr std::size_t first_read_bytes = 16 * 1024;

// Paths and files are the container's: nothing outside its root is followed, a pipe or a device is not waited for, and
// what cannot be read counts as empty, as it does for the process.
Task<std::string> read_inside(int root, const char* path, reactor::StopToken stop) {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    std::string text;
    auto file = co_await io::openat2(root, path, &how, stop);
    if (!file && file.error().kind() == ErrorKind::canceled) co_return fail(std::move(file.error()));
    if (!file) co_return text;
    text.resize(first_read_bytes);
    std::size_t filled = 0;
    while (filled < text_bytes_max) {
        if (filled == text.size()) text.resize(text.size() * 2);
        const auto room = std::as_writable_bytes(std::span(text)).subspan(filled);
        auto got = co_await io::read(file->get(), room, stop);
        if (!got || *got == 0) break;
        filled += *got;
    }
    text.resize(filled);
    co_return text;
}

}  // namespace

Task<void> check_container_user(std::shared_ptr<Container> container, std::string user, reactor::StopToken stop) {
    const std::string path = "/proc/" + std::to_string(container->state.pid) + "/root";
    const UniqueFd root(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    pollfd ended{container->held.pidfd.get(), POLLIN, 0};
    // The number may be another process's once the container's has ended.
    if (!root || ::poll(&ended, 1, 0) != 0)
        co_return fail(ErrorKind::conflict, "container " + container->id + " is not running");
    CO_TRY(const std::string passwd, co_await read_inside(root.get(), "etc/passwd", stop));
    CO_TRY(const std::string group, co_await read_inside(root.get(), "etc/group", stop));
    const auto found = std::make_unique<ResolvedUser>();
    switch (resolve_user(user.c_str(), {passwd.data(), passwd.size()}, {group.data(), group.size()}, *found)) {
        case UserOutcome::ok: co_return Result<void>{};
        case UserOutcome::user_not_found:
            co_return fail(ErrorKind::invalid, "unable to find user " + user.substr(0, user.find(':')) +
                                                   ": no matching entries in passwd file");
        case UserOutcome::group_not_found:
            co_return fail(ErrorKind::invalid, "unable to find group " + user.substr(user.find(':') + 1) +
                                                   ": no matching entries in group file");
        case UserOutcome::out_of_range: break;
    }
    co_return fail(ErrorKind::invalid, "uids and gids must be in range 0-2147483647");
}

}  // namespace engine::runtime
