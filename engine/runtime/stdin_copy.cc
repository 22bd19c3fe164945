#include "engine/runtime/stdin_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/detach_keys.h"

namespace engine::runtime {
namespace {

constexpr std::size_t bytes_at_once = 64 * 1024;

// At once where there is room, which saves a turn of the loop; else when there is.
Task<void> write_when_possible(const UniqueFd& to, std::span<const std::byte> bytes, reactor::StopToken stop) {
    while (!bytes.empty() && to) {
        const ssize_t written = ::write(to.get(), bytes.data(), bytes.size());
        if (written >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            CO_TRY(const unsigned events, co_await io::poll(to.get(), POLLOUT, stop));
            ignore_result(events, "writable is all it can be");
        } else if (errno != EINTR) {
            co_return fail_errno(errno, "writing to a container's stdin");
        }
    }
    co_return Result<void>{};
}

}  // namespace

Task<StdinEnd> copy_stdin(ByteSource* input, std::shared_ptr<UniqueFd> to, DetachMatcher* keys,
                          reactor::StopToken stop) {
    // Our end alone: the process has an open file of its own.
    fcntl(to->get(), F_SETFL, fcntl(to->get(), F_GETFL) | O_NONBLOCK);
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes_at_once);
    const std::span<std::byte> space(buffer.get(), bytes_at_once);
    std::string typed;
    while (true) {
        CO_TRY(const std::size_t got, co_await input->read(space));
        if (got == 0) co_return StdinEnd::closed;
        std::span<const std::byte> bytes = space.first(got);
        bool detached = false;
        if (keys != nullptr) {
            typed.clear();
            detached = keys->feed({reinterpret_cast<const char*>(buffer.get()), got}, typed);
            bytes = io::bytes_of(typed);
        }
        CO_TRY_VOID(co_await write_when_possible(*to, bytes, stop));
        if (detached) co_return StdinEnd::detached;
    }
}

}  // namespace engine::runtime
