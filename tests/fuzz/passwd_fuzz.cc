// Any bytes as /etc/passwd, /etc/group and the user asked for.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/reactor/check.h"
#include "engine/runtime/linux/passwd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::runtime;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t first = text.find('\0');
    if (first == std::string_view::npos) return 0;
    const std::size_t second = text.find('\0', first + 1);
    if (second == std::string_view::npos) return 0;
    // Copies of the very size, so that a step over their ends is seen.
    const std::string user(text.substr(0, first));
    const std::string passwd(text.substr(first + 1, second - first - 1));
    const std::string group(text.substr(second + 1));
    static ResolvedUser out;
    out = ResolvedUser();
    const UserOutcome outcome =
        resolve_user(user.c_str(), Text{passwd.data(), passwd.size()}, Text{group.data(), group.size()}, out);
    if (outcome != UserOutcome::ok) return 0;
    CHECK(out.group_count >= 1 && out.group_count <= kMaxGroups && out.groups[0] == out.gid);
    CHECK(out.uid <= INT32_MAX && out.gid <= INT32_MAX);
    CHECK(out.home.size == 0 || (out.home.data >= passwd.data() &&
                                 out.home.data + out.home.size <= passwd.data() + passwd.size()));
    return 0;
}
