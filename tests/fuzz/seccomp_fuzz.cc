// Any bytes as a seccomp profile: a filter the kernel could take, or an error.
#include <linux/filter.h>

#include <cstddef>
#include <cstdint>

#include "engine/reactor/check.h"
#include "engine/runtime/linux/seccomp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 8) return 0;
    std::uint64_t capabilities = 0;
    for (std::size_t i = 0; i < 8; ++i) capabilities = capabilities << 8 | data[i];
    const std::string_view profile(reinterpret_cast<const char*>(data) + 8, size - 8);
    const auto filter = engine::runtime::compile_seccomp(profile, capabilities);
    if (!filter) return 0;
    CHECK(!filter->empty() && filter->size() % sizeof(sock_filter) == 0);
    CHECK(filter->size() / sizeof(sock_filter) <= BPF_MAXINSNS);
    return 0;
}
