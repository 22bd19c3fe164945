// A reference that parses reads the same when its own text is parsed again.
#include <cstddef>
#include <cstdint>

#include "engine/storage/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto first = engine::storage::parse_reference({reinterpret_cast<const char*>(data), size});
    if (!first || first->path.size() > 200) return 0;
    const auto second = engine::storage::parse_reference(first->text());
    CHECK(second && second->text() == first->text());
    return 0;
}
