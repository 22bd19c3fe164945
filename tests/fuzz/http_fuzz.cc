// Any bytes in any pieces through the request parser, and the parts of a request that clients write: target and
// filters.
#include <cstddef>
#include <cstdint>

#include "engine/api/filters.h"
#include "engine/api/request_parser.h"
#include "engine/reactor/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::api;
    if (size < 1) return 0;
    const std::size_t piece = 1 + data[0] % 64;  // the length of what one receive brings
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    Request request;
    RequestParser parser(&request);
    while (!rest.empty()) {
        std::string_view input = rest.substr(0, piece);
        rest.remove_prefix(input.size());
        for (int idle = 0; idle < 4;) {
            std::size_t consumed = 0;
            const ParseStep step = parser.step(input, consumed);
            CHECK(consumed <= input.size());
            input.remove_prefix(consumed);
            if (step == ParseStep::bad) return 0;
            if (step == ParseStep::need_input) break;
            if (step == ParseStep::headers) {
                (void)parse_target(request).has_value();
                (void)take_version(request.path).has_value();
                (void)parse_filters(request.parameter("filters")).has_value();
            }
            idle = consumed > 0 ? 0 : idle + 1;
        }
    }
    return 0;
}
