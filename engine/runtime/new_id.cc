#include "engine/runtime/new_id.h"

#include <sys/random.h>

#include "engine/reactor/check.h"

namespace engine::runtime {

std::string new_id() {
    unsigned char bytes[32];
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    std::string id;
    for (const unsigned char byte : bytes) {
        constexpr char hex[] = "0123456789abcdef";
        id += hex[byte >> 4];
        id += hex[byte & 15];
    }
    return id;
}

}  // namespace engine::runtime
