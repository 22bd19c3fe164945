#include "engine/runtime/stdin_copy.h"

#include <string>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"
#include "engine/runtime/detach_keys.h"

namespace engine::runtime {
namespace {

constexpr std::size_t bytes_at_once = 64 * 1024;

}  // namespace

Task<StdinEnd> copy_stdin(ByteSource* input, std::shared_ptr<UniqueFd> to, DetachMatcher* keys,
                          reactor::StopToken stop) {
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
        CO_TRY_VOID(co_await io::write_all(to->get(), bytes, stop));
        if (detached) co_return StdinEnd::detached;
    }
}

}  // namespace engine::runtime
